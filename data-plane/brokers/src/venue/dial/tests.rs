//! Addresses by table; TLS against a listener of this process, by a certificate made for the occasion.

#![allow(clippy::unwrap_used)]

use super::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

#[test]
fn hosts_of_a_domain_are_one_site_and_what_has_none_is_host_and_port() {
    let site = |text: &str| text.parse::<Address>().unwrap().site();
    for host in
        ["https://api.kraken.com", "wss://ws.kraken.com/v2", "wss://WS-Auth.Kraken.com.:8443"]
    {
        assert_eq!(site(host), "kraken.com", "{host}");
    }
    assert_eq!(site("ws://127.0.0.1:4301/v2"), "127.0.0.1:4301");
    assert_ne!(site("ws://127.0.0.1:4302/v2"), site("ws://127.0.0.1:4301/v2"));
    assert_eq!(site("http://[::1]:4301"), "[::1]:4301");
    assert_eq!(site("http://localhost:4301"), "localhost:4301");
}

#[test]
fn addresses_are_read_and_only_the_loopback_is_plain() {
    let read = |text: &str| text.parse::<Address>();
    let kraken = read("https://api.kraken.com").unwrap();
    assert_eq!((kraken.authority().as_str(), kraken.path()), ("api.kraken.com", ""));
    let ws = read("wss://ws.kraken.com/v2").unwrap();
    assert_eq!((ws.to_string().as_str(), ws.is_secure()), ("ws.kraken.com/v2", true));
    assert_eq!(read("ws://127.0.0.1:4301/v2").unwrap().to_string(), "127.0.0.1:4301/v2");
    assert_eq!(read("http://[::1]:4301/").unwrap().to_string(), "[::1]:4301");
    assert!(read("http://localhost").is_ok());
    for text in ["http://api.kraken.com", "ws://10.0.0.1:80", "http://127.0.0.1.example.com"] {
        assert!(matches!(read(text), Err(BadAddress::Plain(_))), "{text}");
    }
    let bad = [
        "",
        "api.kraken.com",
        "ftp://a",
        "https://",
        "https://a:b",
        "https://a:0",
        "https://k:s@a",
        "https://a/?x",
    ];
    for text in bad {
        assert!(matches!(read(text), Err(BadAddress::Form(_))), "{text}");
    }
}

/// A listener that says back what it is told, under that name; its certificate.
async fn echo(name: &str, tasks: &mut JoinSet<()>) -> (Address, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut word = [0_u8; 5];
            if stream.read_exact(&mut word).await.is_ok() {
                stream.write_all(&word).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    (format!("https://localhost:{port}").parse().unwrap(), certificate)
}

#[tokio::test]
async fn a_venue_whose_certificate_is_trusted_is_spoken_to() {
    let mut tasks = JoinSet::new();
    let (address, certificate) = echo("localhost", &mut tasks).await;
    let dialler = Dialler::trusting(vec![certificate]).unwrap();
    let mut stream = dialler.open(&address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.flush().await.unwrap();
    let mut said = [0_u8; 5];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");
}

#[tokio::test]
async fn an_impostor_is_not_spoken_to() {
    // given one of another name, and one whom nobody vouches for
    let mut tasks = JoinSet::new();
    let (address, certificate) = echo("example.com", &mut tasks).await;
    let dialler = Dialler::trusting(vec![certificate.clone()]).unwrap();
    let error = dialler.open(&address).await.err().unwrap().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    let (address, _) = echo("localhost", &mut tasks).await;
    let error = dialler.open(&address).await.err().unwrap().to_string();
    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
    // and TLS is never left out
    let plain = Dialler::to([&"http://127.0.0.1:1".parse().unwrap()]).unwrap();
    let error = plain.open(&address).await.err().unwrap().to_string();
    assert!(error.contains("no TLS was set up"), "{error}");
}
