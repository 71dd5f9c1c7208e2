//! The style sheet, the script and the icon: in the executable, named by their content so that
//! browsers may keep them.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

static ASSETS: [Asset; 3] = [
    Asset {
        name: "style.css",
        kind: "text/css; charset=utf-8",
        content: include_str!("../../../assets/style.css"),
    },
    Asset {
        name: "live.js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("../../../assets/live.js"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        content: include_str!("../../../assets/icon.svg"),
    },
];

/// `/assets/HASH/NAME` of each.
static ADDRESSES: LazyLock<[String; 3]> = LazyLock::new(|| {
    ASSETS.each_ref().map(|asset| {
        let hash = HEXLOWER.encode(&Sha256::digest(asset.content)[..6]);
        format!("/assets/{hash}/{}", asset.name)
    })
});

/// Where the style sheet is.
#[must_use]
pub fn style() -> &'static str {
    &ADDRESSES[0]
}

/// Where the script is.
#[must_use]
pub fn script() -> &'static str {
    &ADDRESSES[1]
}

/// Where the icon is.
#[must_use]
pub fn icon() -> &'static str {
    &ADDRESSES[2]
}

/// `GET /assets/{hash}/{name}`; an old hash gets the new content, which must not be kept under its
/// name.
pub async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let is_current = ADDRESSES.contains(&format!("/assets/{hash}/{name}"));
    let keep = if is_current { "public, max-age=31536000, immutable" } else { "no-store" };
    ([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, keep)], asset.content)
        .into_response()
}
