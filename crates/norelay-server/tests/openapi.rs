//! The API's description is what was agreed: a change of it is seen in review.

#[test]
fn the_document_is_as_agreed() {
    let mut document =
        serde_json::to_value(norelay_server::http::api::document()).expect("the document is JSON");
    // The version changes with every release and says nothing about the API.
    document["info"]["version"] = "0".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).expect("it is JSON"));
}

#[test]
fn every_operation_has_a_name_a_summary_and_says_its_problems() {
    let document =
        serde_json::to_value(norelay_server::http::api::document()).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("there are paths");
    let mut names = std::collections::BTreeSet::new();
    for (path, methods) in paths {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in methods.as_object().expect("there are methods") {
            let name = operation["operationId"].as_str().expect("it has a name");
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|text| text.ends_with('.')),
                "{method} {path}"
            );
            for (status, response) in operation["responses"]
                .as_object()
                .expect("there are responses")
            {
                if status.starts_with(['4', '5']) {
                    let content = response["content"]
                        .as_object()
                        .expect("a problem has content");
                    assert!(
                        content.contains_key("application/problem+json"),
                        "{method} {path} {status}"
                    );
                }
            }
        }
    }
    assert!(names.len() >= 20, "{names:?}");
}
