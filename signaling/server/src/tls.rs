use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// Where the certificate chain and its private key lie, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// Private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// A certificate or key that cannot be used.
#[derive(Debug)]
pub struct TlsError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for TlsError {}

/// An acceptor that takes up renewed files by itself. `protocol` is what clients may ask for by ALPN
/// ([RFC 7301](https://www.rfc-editor.org/rfc/rfc7301)); those who ask for nothing are served as well.
///
/// # Errors
/// [`TlsError`] when a file cannot be read or used.
pub fn acceptor(files: TlsFiles, protocol: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let bad = |why: &dyn fmt::Display| TlsError { path: files.cert.clone(), why: why.to_string() };
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?;
    let certificates = Certificates::load(files, provider)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificate in use. Files are looked at on a handshake, at most once a second, so an idle server does nothing.
#[derive(Debug)]
struct Certificates {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    looked: Instant,
    modified: Modified,
}

type Modified = (Option<SystemTime>, Option<SystemTime>);

impl Certificates {
    fn load(files: TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let modified = modified(&files);
        let key = read(&files, &provider)?;
        Ok(Self { files, provider, current: Mutex::new(Current { key, looked: Instant::now(), modified }) })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.saturating_duration_since(current.looked) >= LOOK_INTERVAL {
            current.looked = now;
            let modified = modified(&self.files);
            if modified != current.modified {
                match read(&self.files, &self.provider) {
                    Ok(key) => {
                        (current.key, current.modified) = (key, modified);
                        info!("took up the renewed certificate");
                    }
                    // Certificate and key are two files: between the two writes they do not fit.
                    Err(error) => warn!(%error, "the changed certificate cannot be used; the old one stays"),
                }
            }
        }
        Some(Arc::clone(&current.key))
    }
}

fn modified(files: &TlsFiles) -> Modified {
    let time = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    (time(&files.cert), time(&files.key))
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let bad = |path: &PathBuf, why: String| TlsError { path: path.clone(), why };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&files.cert, format!("not a certificate chain in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(bad(&files.cert, "holds no certificate; expected a PEM chain, leaf first".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| bad(&files.key, format!("not a private key in PEM: {error}")))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| bad(&files.key, format!("does not fit the certificate: {error}")))?;
    Ok(Arc::new(key))
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
