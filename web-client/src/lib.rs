//! The built web client, embedded in the binary.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::Write as _;

use rust_embed::{EmbeddedFile, RustEmbed};

/// A file of the web client.
#[derive(Debug, Clone)]
pub struct File {
    /// Content.
    pub bytes: Cow<'static, [u8]>,
    /// The same, compressed with Brotli, if the build prepared that.
    pub brotli: Option<Cow<'static, [u8]>>,
    /// Media type.
    pub content_type: String,
    /// SHA-256 of the content, in hexadecimal.
    pub hash: String,
}

/// Finds a file by its path, without a leading slash. Compressed copies are not files of their own.
#[must_use]
pub fn file(path: &str) -> Option<File> {
    if path.ends_with(".br") {
        return None;
    }
    let EmbeddedFile { data, metadata } = Dist::get(path)?;
    let brotli = Dist::get(&format!("{path}.br")).map(|file| file.data);
    let hash = metadata.sha256_hash().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Some(File { bytes: data, brotli, content_type: content_type(path), hash })
}

fn content_type(path: &str) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = guess.type_() == "text" || matches!(guess.subtype().as_str(), "javascript" | "json");
    if is_text { format!("{guess}; charset=utf-8") } else { guess.to_string() }
}

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/dist"]
struct Dist;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_embedded_and_typed() {
        let index = file("index.html").unwrap();
        assert_eq!(index.content_type, "text/html; charset=utf-8");
        assert_eq!(index.hash.len(), 64);
        assert!(file("index.html.br").is_none() && file("../Cargo.toml").is_none());
    }

    #[test]
    fn scripts_and_icons_get_types_that_browsers_accept() {
        assert_eq!(content_type("assets/x.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("favicon.svg"), "image/svg+xml");
    }
}
