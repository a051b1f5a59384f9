//! HTTPS from certificate files.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::{Server, stoa};

/// Writes a fresh self-signed certificate and its key.
fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

async fn get_healthz(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.http).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn https_from_files_that_are_renewed_while_it_runs() {
    let folder = TempDir::new().unwrap();
    let first = write_certificate(folder.path());
    let server = Server::start_with(|command| {
        command.env("STOA_TLS_CERT", folder.path().join("cert.pem"));
        command.env("STOA_TLS_KEY", folder.path().join("key.pem"));
    });
    assert!(server.url.starts_with("https://localhost:"));
    assert!(get_healthz(&server, &first).await.unwrap().ends_with("\r\n\r\nok"));
    let second = write_certificate(folder.path());
    let renewed = async {
        while get_healthz(&server, &second).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.expect("the new certificate is never used");
    assert!(get_healthz(&server, &first).await.is_err(), "the old one is no longer shown");
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let folder = TempDir::new().unwrap();
    write_certificate(folder.path());
    fs::write(folder.path().join("other.pem"), "nonsense").unwrap();
    for (cert, key, blamed) in [
        ("other.pem", "key.pem", "other.pem"),
        ("cert.pem", "other.pem", "other.pem"),
        ("gone.pem", "key.pem", "gone.pem"),
    ] {
        let output = stoa()
            .args(["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .env("STOA_TLS_CERT", folder.path().join(cert))
            .env("STOA_TLS_KEY", folder.path().join(key))
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(blamed), "{said}");
    }
}
