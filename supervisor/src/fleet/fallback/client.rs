//! Asking the server: one request after the other, on a connection that is kept.

use std::{fmt::Write as _, time::Duration};

use bulkhead_ipc::{
    compatibility::{CompatibilityFlags, Flag},
    modules::{MAX_MODULE, MAX_SPECIFIER},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Definition, DefinitionError, Question};

const NEW_REGISTRY: Flag = Flag::named("new_module_registry");

/// How long connecting may take, and how long an answer, of which a development tool may have to make the module first.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);

/// Longest body of an answer, in bytes: a number of a list takes up to four for one byte, and text may be escaped.
const MAX_BODY: usize = 4 * MAX_MODULE;

/// What a question comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    Redirect(String),
    Module(Definition),
}

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("connecting to it failed: {0}")]
    Connect(std::io::Error),
    #[error("it took longer than {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("reading its answer failed: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("the specifiers are too long for a request")]
    TooLong,
    #[error("it redirected to nowhere")]
    NoLocation,
    #[error("{0}")]
    Definition(#[from] DefinitionError),
}

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum Protocol {
    /// What is asked for is in the target of the request: in the first registry of modules.
    Get,
    /// It is the request's body, in JSON: in the second.
    Post,
}

impl Protocol {
    /// The one for a worker with these flags.
    pub(in crate::fleet) fn of(flags: &CompatibilityFlags) -> Self {
        if flags.is_on(NEW_REGISTRY) { Self::Post } else { Self::Get }
    }
}

type Sender = http1::SendRequest<Full<Bytes>>;

/// A client of one server.
pub(super) struct Client {
    server: String,
    protocol: Protocol,
    connection: Option<Sender>,
}

impl Client {
    pub(super) fn new(server: &str, protocol: Protocol) -> Self {
        Self { server: server.to_owned(), protocol, connection: None }
    }

    /// # Errors
    /// There is no answer, or none that could be used. That there is no such module is no error.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Found, AskError> {
        timeout(ANSWER, self.ask_now(question)).await.unwrap_or_else(|_| {
            self.connection = None;
            Err(AskError::Late(ANSWER))
        })
    }

    async fn ask_now(&mut self, question: &Question) -> Result<Found, AskError> {
        let response = match self.send(question).await {
            // As the reference does: one that was kept may have been closed, and a server may be about to start.
            Err(AskError::Http(_)) => self.send(question).await,
            other => other,
        }?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            self.connection = None;
            AskError::Body(error)
        })?;
        match head.status {
            StatusCode::OK => {
                let bytes = body.to_bytes();
                if bytes.is_empty() { Ok(Found::Missing) } else { Ok(Found::Module(Definition::read(&bytes)?)) }
            }
            StatusCode::MOVED_PERMANENTLY => {
                let to = head.headers.get(header::LOCATION).and_then(|to| std::str::from_utf8(to.as_bytes()).ok());
                let to = to.filter(|to| !to.is_empty() && to.len() <= MAX_SPECIFIER).ok_or(AskError::NoLocation)?;
                Ok(Found::Redirect(to.to_owned()))
            }
            StatusCode::NOT_FOUND => Ok(Found::Missing),
            status => Err(AskError::Status(status)),
        }
    }

    async fn send(&mut self, question: &Question) -> Result<Response<Incoming>, AskError> {
        let request = match self.protocol {
            Protocol::Get => get(question),
            Protocol::Post => post(question),
        };
        let mut request = request.ok_or(AskError::TooLong)?;
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("localhost"));
        // One that was closed meanwhile is none any more.
        let kept = match self.connection.take() {
            Some(mut sender) => sender.ready().await.ok().map(|()| sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await?;
        self.connection = Some(sender);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Sender, AskError> {
        let connected = timeout(CONNECT, TcpStream::connect(&self.server)).await;
        let stream = connected.map_err(|_| AskError::Late(CONNECT))?.map_err(AskError::Connect)?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends, whoever uses it is told.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

/// The request for a module in the second protocol, in the reference's order.
fn post(question: &Question) -> Option<Request<Full<Bytes>>> {
    let mut body = serde_json::json!({
        "type": if question.required { "require" } else { "import" },
        "specifier": question.specifier,
        "rawSpecifier": question.raw_specifier,
        "referrer": question.referrer,
    });
    if !question.kind.is_empty() {
        body["attributes"] = serde_json::json!([{ "name": "type", "value": question.kind }]);
    }
    Request::post("/").body(Full::from(body.to_string())).ok()
}

/// The request for a module in the first protocol, in the reference's order; `None` if it would be too long.
fn get(question: &Question) -> Option<Request<Full<Bytes>>> {
    let mut target = "/".to_owned();
    let parameters = [
        ("?specifier=", &question.specifier),
        ("&referrer=", &question.referrer),
        ("&rawSpecifier=", &question.raw_specifier),
    ];
    for (name, value) in parameters {
        target.push_str(name);
        for byte in value.bytes() {
            // As a form is sent (URL, section 5.2).
            match byte {
                b' ' => target.push('+'),
                byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => target.push(char::from(byte)),
                byte => drop(write!(target, "%{byte:02X}")),
            }
        }
    }
    let mut request = Request::new(Full::default());
    *request.uri_mut() = target.parse().ok()?;
    let method = if question.required { "require" } else { "import" };
    request.headers_mut().insert("x-resolve-method", header::HeaderValue::from_static(method));
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_as_the_reference_does() {
        let question = Question {
            specifier: "/lib/é x?y#z&a=b".into(),
            raw_specifier: "./dep".into(),
            referrer: "/main.js".into(),
            required: true,
            kind: String::new(),
        };
        let asked = get(&question).expect("it is short");
        assert_eq!(
            asked.uri(),
            "/?specifier=%2Flib%2F%C3%A9+x%3Fy%23z%26a%3Db&referrer=%2Fmain.js&rawSpecifier=.%2Fdep"
        );
        assert_eq!(asked.headers()["x-resolve-method"], "require");
        let long = "é".repeat(MAX_SPECIFIER / 2);
        let question = Question {
            specifier: long.clone(),
            raw_specifier: long.clone(),
            referrer: long,
            required: false,
            kind: String::new(),
        };
        assert!(get(&question).is_none());
        assert!(post(&question).is_some());
    }

    #[test]
    fn a_question_in_the_second_protocol_is_a_body() {
        let body = |question: &Question| {
            let asked = post(question).expect("a request");
            assert_eq!((asked.method().as_str(), asked.uri().path()), ("POST", "/"));
            let bytes = futures::FutureExt::now_or_never(asked.into_body().collect());
            let bytes = bytes.expect("it is there").expect("it is there").to_bytes();
            String::from_utf8(bytes.to_vec()).expect("JSON")
        };
        let mut question = Question {
            specifier: "file:///bundle/a".into(),
            raw_specifier: "./\"a\"".into(),
            referrer: "file:///bundle/main.js".into(),
            required: true,
            kind: String::new(),
        };
        let rest = r#""specifier":"file:///bundle/a","rawSpecifier":"./\"a\"","referrer":"file:///bundle/main.js""#;
        assert_eq!(body(&question), format!("{{\"type\":\"require\",{rest}}}"));
        (question.required, question.kind) = (false, "json".into());
        let attributes = r#""attributes":[{"name":"type","value":"json"}]"#;
        assert_eq!(body(&question), format!("{{\"type\":\"import\",{rest},{attributes}}}"));
    }
}
