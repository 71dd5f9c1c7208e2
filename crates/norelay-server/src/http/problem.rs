//! Errors as the API says them: problem details (RFC 9457).
//!
//! Rules:
//! - The sentence says what to do. It never says what only the operator should know; that goes to
//!   the log.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{rules::refusal::Refusal, store::StoreError};

/// An error of the API.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: `about:blank`, so that the status says it (RFC 9457 section 4.2.1).
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status' phrase.
    title: String,
    /// The HTTP status.
    status: u16,
    /// One sentence that says what is wrong and what to do.
    detail: String,
    /// When the same may be tried again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
}

impl Problem {
    /// A problem with a status and a sentence.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: detail.into(),
            until: None,
        }
    }

    /// No key, or not a good one.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// The same may be tried again later.
    #[must_use]
    pub fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("a problem has string keys");
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(until) = self.until {
            let seconds = until.duration_since(Timestamp::now()).as_secs().max(0) + 1;
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => {
                Self::new(StatusCode::NOT_FOUND, "There is no such thing, or it has expired.")
            }
            error if error.is_temporary() => {
                tracing::warn!(%error, "the store is unavailable");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The database does not answer now: try again in a minute.",
                )
            }
            error => {
                tracing::error!(%error, "the store failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The service has a fault, which was logged.",
                )
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, why),
            Refusal::Forbidden(why) => Self::new(StatusCode::FORBIDDEN, why),
            Refusal::Limited { why, until } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, why).until(until)
            }
            Refusal::Store(error) => error.into(),
        }
    }
}

/// Splits off what the sender of a form can correct: a status and the sentence to show beside the
/// form.
///
/// # Errors
/// A refusal that no other input changes.
pub fn correctable(refusal: Refusal) -> Result<(StatusCode, String), Refusal> {
    match refusal {
        Refusal::Malformed(why) => Ok((StatusCode::UNPROCESSABLE_ENTITY, why)),
        Refusal::Forbidden(why) => Ok((StatusCode::FORBIDDEN, why)),
        other => Err(other),
    }
}
