use stoa_signaling_server::Asset;

/// Hands the embedded web client to the HTTP server; neither knows the other.
pub(crate) fn find(path: &str) -> Option<Asset> {
    let file = stoa_web_client::file(path)?;
    Some(Asset { bytes: file.bytes, brotli: file.brotli, content_type: file.content_type, etag: file.hash })
}
