//! The API's description, for readers: made from the OpenAPI document, without scripts.

use std::sync::LazyLock;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::Value;

use super::shell::{self, Shell};
use crate::http::state::AppState;

#[derive(Template)]
#[template(path = "pages/api.html")]
struct ApiPage {
    shell: Shell,
    operations: Vec<Operation>,
}

/// One method of one path.
#[derive(Debug, Default)]
struct Operation {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    body: String,
    responses: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Parameter {
    name: String,
    place: String,
    required: bool,
    says: String,
}

/// `GET /api`
pub async fn api(State(state): State<AppState>) -> Response {
    let shell = Shell::new(&state, "/api", "API");
    shell::page(StatusCode::OK, &ApiPage { shell, operations: operations(&DOCUMENT) })
}

/// The OpenAPI document.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(crate::http::api::document()).unwrap_or_default());

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document.get("paths").and_then(Value::as_object);
    let every = paths.into_iter().flatten().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods
            .filter(|(_, operation)| operation.is_object())
            .map(|(method, it)| operation(document, path, method, it))
    });
    every.collect()
}

fn operation(document: &Value, path: &str, method: &str, it: &Value) -> Operation {
    let responses = it
        .get("responses")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let parameters = it
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Operation {
        anchor: text(it, "operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(it, "summary"),
        description: text(it, "description"),
        parameters: parameters.map(parameter).collect(),
        body: body(document, it),
        responses: responses
            .map(|(code, response)| (code.clone(), text(response, "description")))
            .collect(),
    }
}

fn parameter(it: &Value) -> Parameter {
    Parameter {
        name: text(it, "name"),
        place: text(it, "in"),
        required: it
            .get("required")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        says: text(it, "description"),
    }
}

/// The request's body as its fields, a line each.
fn body(document: &Value, it: &Value) -> String {
    let Some(schema) = it.pointer("/requestBody/content/application~1json/schema") else {
        return String::new();
    };
    let resolved = resolve(document, schema);
    let fields = resolved
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let lines = fields.map(|(name, field)| {
        let field_kind = kind(document, field);
        let says = text(field, "description");
        format!(
            "{name}: {field_kind}{}",
            if says.is_empty() { String::new() } else { format!("   {says}") }
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let named = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|name| name.strip_prefix('#'));
    named
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(schema)
}

fn kind(document: &Value, field: &Value) -> String {
    let field = resolve(document, field);
    if let Some(values) = field.get("enum").and_then(Value::as_array) {
        return values
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" | ");
    }
    match field.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            format!(
                "list of {}",
                field
                    .get("items")
                    .map(|items| kind_of_items(document, items))
                    .unwrap_or_default()
            )
        }
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "value".to_owned(),
    }
}

fn kind_of_items(document: &Value, items: &Value) -> String {
    kind(document, items)
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
