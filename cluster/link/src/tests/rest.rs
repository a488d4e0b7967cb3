//! REST calls: what is known when there is no answer.

use super::{Echo, SOON, Server, echo};
use crate::{
    Failure,
    json::Json,
    listen::Limits,
    rest::{Method, Rest, RestError},
};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpSocket, TcpStream},
};
use tradewind_protocol::{Code, Problem, control::IDEMPOTENCY_KEY};

async fn refusing() -> Failure {
    Problem::new(Code::NoLeader, "No leader.").retry_after_ms(50).into()
}

fn router() -> Router {
    Router::new()
        .route("/echo", post(echo))
        .route(
            "/key",
            get(async |headers: HeaderMap| {
                Json(headers[IDEMPOTENCY_KEY].to_str().unwrap().to_string())
            }),
        )
        .route("/nothing", post(async || StatusCode::NO_CONTENT))
        .route("/refusing", get(refusing))
        .route("/unknown", get(async || Failure::new(Code::Unknown, "Lost on the way.")))
        .route("/plain", get(async || (StatusCode::IM_A_TEAPOT, "I am a teapot")))
        .route("/moved", get(async || axum::response::Redirect::to("/key")))
}

async fn ask(address: SocketAddr, path: &str) -> Result<(u16, String), RestError> {
    let rest = Rest::default();
    let none = None::<&()>;
    rest.request(Method::GET, &address.to_string(), path, &[(IDEMPOTENCY_KEY, "k")], none, SOON)
        .await
}

#[tokio::test]
async fn an_accepted_call_gives_status_and_answer() {
    let server = Server::start(router(), Limits::default()).await;
    let (rest, address) = (Rest::default(), server.address.to_string());
    let body = Echo { word: "hi".to_string(), times: 3 };

    let answer: (u16, Echo) =
        rest.request(Method::POST, &address, "/echo", &[], Some(&body), SOON).await.unwrap();
    let nothing: (u16, ()) =
        rest.request(Method::POST, &address, "/nothing", &[], Some(&body), SOON).await.unwrap();

    assert_eq!(answer, (200, body));
    assert_eq!(nothing.0, 204);
    assert_eq!(ask(server.address, "/key").await.unwrap().1, "k");
}

#[tokio::test]
async fn a_refusal_comes_back_as_the_problem_it_is() {
    let server = Server::start(router(), Limits::default()).await;

    let Err(RestError::Refused(problem)) = ask(server.address, "/refusing").await else { panic!() };
    assert_eq!((problem.code, problem.retry_after_ms), (Code::NoLeader, Some(50)));

    let Err(RestError::Refused(problem)) = ask(server.address, "/nowhere").await else { panic!() };
    assert_eq!(problem.code, Code::NotFound);

    let Err(RestError::Refused(problem)) = ask(server.address, "/plain").await else { panic!() };
    assert_eq!(problem.status, 418);
    assert!(problem.detail.contains("teapot"), "{}", problem.detail);
}

#[tokio::test]
async fn an_outcome_the_other_side_does_not_know_is_unknown() {
    let server = Server::start(router(), Limits::default()).await;
    let error = ask(server.address, "/unknown").await.unwrap_err();
    assert!(matches!(error, RestError::Unknown { problem: Some(_), .. }), "{error:?}");
    assert_eq!(error.into_problem().detail, "Lost on the way.");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_unknown_and_redirects_are_not_followed() {
    let server = Server::start(router(), Limits::default()).await;
    let rest = Rest::default();
    let call: Result<(u16, u64), _> = rest
        .request(
            Method::GET,
            &server.address.to_string(),
            "/key",
            &[(IDEMPOTENCY_KEY, "k")],
            None::<&()>,
            SOON,
        )
        .await;
    assert!(matches!(call, Err(RestError::Unknown { .. })), "{call:?}");
    let moved = ask(server.address, "/moved").await;
    assert!(matches!(moved, Err(RestError::Unknown { .. })), "{moved:?}");
}

#[tokio::test]
async fn nobody_listening_is_surely_not_sent() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = ask(address, "/key").await.unwrap_err();
    assert!(matches!(error, RestError::NotSent { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_process_that_went_away_between_two_calls_is_surely_not_sent() {
    let mut server = Server::start(router(), Limits::default()).await;
    let (rest, address) = (Rest::default(), server.address.to_string());
    let body = Echo { word: "hi".to_string(), times: 3 };
    let call = || rest.request::<_, Echo>(Method::POST, &address, "/echo", &[], Some(&body), SOON);
    call().await.unwrap();

    server.stop.cancel();
    (&mut server.task).await.unwrap();

    let error = call().await.unwrap_err();
    assert!(matches!(error, RestError::NotSent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_machine_that_does_not_answer_is_surely_not_sent() {
    // Given a listener whose queue is full, so that the kernel drops what else comes.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queued.push(stream);
    }

    let rest = Rest::new(Duration::from_millis(200));
    let call: Result<(u16, String), _> =
        rest.request(Method::GET, &address.to_string(), "/", &[], None::<&()>, SOON).await;

    assert!(matches!(call, Err(RestError::NotSent { .. })), "{call:?}");
}

#[tokio::test]
async fn silence_after_the_request_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let rest = Rest::default();
    let deadline = Duration::from_millis(200);
    let call: Result<(u16, String), _> =
        rest.request(Method::GET, &address, "/", &[], None::<&()>, deadline).await;
    assert!(matches!(call, Err(RestError::Unknown { .. })), "{call:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let breaks = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1_000]).await.unwrap();
    });
    let error = ask(address, "/").await.unwrap_err();
    breaks.await.unwrap();
    assert!(matches!(error, RestError::Unknown { .. }), "{error:?}");
    assert_eq!(error.into_problem().code, Code::Unknown);
}

#[tokio::test]
async fn a_header_that_is_none_is_not_sent() {
    let server = Server::start(router(), Limits::default()).await;
    let rest = Rest::default();
    let headers = [("key", "two\r\nlines")];
    let call: Result<(u16, String), _> = rest
        .request(Method::GET, &server.address.to_string(), "/", &headers, None::<&()>, SOON)
        .await;
    assert!(matches!(call, Err(RestError::NotSent { .. })), "{call:?}");
}

#[tokio::test]
async fn a_request_is_handed_on_as_it_is_and_so_is_its_answer() {
    let server = Server::start(router(), Limits::default()).await;
    let rest = Rest::default();
    let address = server.address.to_string();

    let (status, headers, body) = rest
        .raw(Method::GET, &address, "/refusing", HeaderMap::new(), Bytes::new(), SOON)
        .await
        .unwrap();

    assert_eq!((status.as_u16(), &headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(serde_json::from_slice::<Problem>(&body).unwrap().code, Code::NoLeader);
}
