//! The pages' files, which both hosts serve as Vite has built them, and the description of what pages and programs may
//! ask.

/// The requests that pages, operators and programs may make: an OpenAPI document. Not every host has them all.
pub const OPENAPI: &str = include_str!("openapi.json");

/// A file's content type, by the ending of its name.
pub fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
