//! Outgoing connections to venues beyond this machine. Decides what an address is, that nothing but the loopback is
//! spoken to without TLS, and whom TLS trusts: the certificate authorities of this machine (decision 86). What is said
//! over a connection is decided by the adapters.

use std::{fmt, io, net::IpAddr, str::FromStr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

/// A connection, encrypted or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
pub(crate) type Stream = Box<dyn Io>;

const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// `https://HOST[:PORT][/PATH]`, or `wss`; `http` and `ws` to the loopback alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no address to dial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error(
        "{0} is no address: such as https://HOST, wss://HOST/PATH, with a port behind HOST if need be"
    )]
    Form(String),
    #[error("{0} is not encrypted: only the loopback is spoken to without TLS, use https or wss")]
    Plain(String),
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let form = || BadAddress::Form(text.chars().take(200).collect());
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let (secure, usual) = match scheme {
            "https" | "wss" => (true, HTTPS),
            "http" | "ws" => (false, HTTP),
            _ => return Err(form()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // What stands before an @ would be a secret in a place where none belongs.
        if authority.contains(['@', '?', '#']) || path.contains(['?', '#', ' ']) {
            return Err(form());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| form())?),
            _ => (authority, usual),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || port == 0 || ServerName::try_from(host.to_owned()).is_err() {
            return Err(form());
        }
        if !secure && !is_loopback(host) {
            return Err(BadAddress::Plain(text.chars().take(200).collect()));
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { secure, host: host.to_owned(), port, path })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.authority(), self.path)
    }
}

impl Address {
    /// As a `Host` header has it: without the port if it is the usual one.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let usual = if self.secure { HTTPS } else { HTTP };
        if *port == usual { host } else { format!("{host}:{port}") }
    }

    /// What a venue counts connects at: all hosts of a domain are one, since one edge may stand before them. Of what has no
    /// domain it is host and port.
    #[must_use]
    pub fn site(&self) -> String {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        let labels = host.split('.').collect::<Vec<_>>();
        match *labels {
            [.., name, top] if host.parse::<IpAddr>().is_err() => format!("{name}.{top}"),
            _ => self.authority(),
        }
    }

    /// Without a slash at its end; often empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The same host and port, another path.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }
}

/// Why TLS cannot be spoken at all.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    #[error(
        "this machine trusts no certificate authority, so no venue can be told from an impostor ({0}): install \
         ca-certificates, or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots(String),
    #[error("TLS cannot be set up")]
    Setup(#[from] tokio_rustls::rustls::Error),
}

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    tls: Option<TlsConnector>,
}

impl Dialler {
    /// One for these addresses: the machine's authorities are read only if one of them needs TLS.
    pub fn to<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Result<Self, NoTls> {
        if !addresses.into_iter().any(Address::is_secure) {
            return Ok(Self { tls: None });
        }
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map_or("none found".to_owned(), ToString::to_string);
            return Err(NoTls::NoRoots(why));
        }
        Self::trusting(found.certs)
    }

    /// One that trusts these authorities alone. Those it cannot read are passed over, as machines have some.
    pub fn trusting(authorities: Vec<CertificateDer<'static>>) -> Result<Self, NoTls> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// A connection to it, its certificate proven where it is encrypted. Waits as long as the kernel does: callers
    /// set a time.
    pub(crate) async fn open(&self, address: &Address) -> io::Result<Stream> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        if !address.secure {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(address.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let tls = self.tls.as_ref().ok_or_else(|| io::Error::other("no TLS was set up"))?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

#[cfg(test)]
mod tests;
