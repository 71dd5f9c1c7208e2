//! The catalogue.

use axum::{Json, extract::Path, http::StatusCode};
use norelay_core::catalogue::{self, RelayTest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;

/// A relay test or control.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub(super) struct CatalogueEntry {
    /// Its number in the display order.
    number: u8,
    /// Its name.
    id: &'static str,
    /// What it is called.
    title: &'static str,
    /// What it probes.
    #[schema(value_type = String)]
    group: catalogue::Group,
    /// The smallest profile that it belongs to.
    #[schema(value_type = String)]
    profile: catalogue::Profile,
    /// What follows `MAIL FROM:`, as a template.
    reverse_path: &'static str,
    /// What follows `RCPT TO:`, as a template.
    forward_path: &'static str,
    /// Its document, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'static str>,
}

impl CatalogueEntry {
    fn of(test: &'static RelayTest) -> Self {
        Self {
            number: test.number,
            id: test.id.as_str(),
            title: test.title(),
            group: test.group,
            profile: test.profile,
            reverse_path: test.reverse_path,
            forward_path: test.forward_path,
            document: None,
        }
    }
}

/// List the tests and controls.
#[utoipa::path(
    get, path = "/catalogue", tag = "catalogue", operation_id = "listCatalogue",
    responses((status = 200, description = "All of them, in display order.",
        body = Vec<CatalogueEntry>))
)]
pub(super) async fn list() -> Json<Vec<CatalogueEntry>> {
    Json(catalogue::TESTS.iter().map(CatalogueEntry::of).collect())
}

/// Read about one test.
#[utoipa::path(
    get, path = "/catalogue/{id}", tag = "catalogue", operation_id = "showCatalogueEntry",
    params(("id" = String, Path, description = "The test's name or number.")),
    responses(
        (status = 200, description = "The test, with its document.", body = CatalogueEntry),
        (status = 404, description = "There is none.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(Path(id): Path<String>) -> Result<Json<CatalogueEntry>, Problem> {
    let test = catalogue::find(&id).map_err(|_| {
        Problem::new(StatusCode::NOT_FOUND, "There is no such test: /api/v1/catalogue lists them.")
    })?;
    Ok(Json(CatalogueEntry { document: Some(test.document), ..CatalogueEntry::of(test) }))
}
