//! Requests to the endpoint and its answers: as much of HTTP/1.1 as a scrape needs. Pure.

use httparse::{EMPTY_HEADER, Request, Status};

/// Longest request, in bytes. A scrape of Prometheus takes some 300.
pub(super) const MAX_REQUEST_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The metrics, in OpenMetrics text.
    OpenMetrics,
    /// The metrics, in the older text format.
    Prometheus,
    /// Something else.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    TooLong,
    NotFound,
    MethodNotAllowed,
    TimedOut,
    Busy,
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Self::Malformed => "400 Bad Request",
            Self::TooLong => "431 Request Header Fields Too Large",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TimedOut => "408 Request Timeout",
            Self::Busy => "503 Service Unavailable",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "this is no HTTP request",
            Self::TooLong => "the request is too long",
            Self::NotFound => "the metrics are at /metrics",
            Self::MethodNotAllowed => "only GET is answered",
            Self::TimedOut => "the request did not come in time",
            Self::Busy => "too many scrapes are under way",
        }
    }
}

/// What is wanted by these bytes; nothing until all of the request has come.
pub(super) fn wanted(bytes: &[u8]) -> Option<Wanted> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) => Some(wanted_by(&request)),
        Ok(Status::Partial) if bytes.len() >= MAX_REQUEST_BYTES => {
            Some(Wanted::Refused(Refusal::TooLong))
        }
        Ok(Status::Partial) => None,
        Err(httparse::Error::TooManyHeaders) => Some(Wanted::Refused(Refusal::TooLong)),
        Err(_) => Some(Wanted::Refused(Refusal::Malformed)),
    }
}

fn wanted_by(request: &Request<'_, '_>) -> Wanted {
    let path = request.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path != "/metrics" {
        return Wanted::Refused(Refusal::NotFound);
    }
    if request.method != Some("GET") {
        return Wanted::Refused(Refusal::MethodNotAllowed);
    }
    let mut accepted = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("accept"))
        .filter_map(|header| str::from_utf8(header.value).ok());
    match accepted.any(|value| value.contains(OPEN_METRICS)) {
        true => Wanted::OpenMetrics,
        false => Wanted::Prometheus,
    }
}

/// The answer with these metrics in OpenMetrics text.
pub(super) fn open_metrics(text: &str) -> String {
    let kind = format!("{OPEN_METRICS}; version=1.0.0; charset=utf-8");
    answer("200 OK", &kind, "", text)
}

/// The answer with these metrics in the older text format.
pub(super) fn prometheus(text: &str) -> String {
    answer(
        "200 OK",
        "text/plain; version=0.0.4; charset=utf-8",
        "",
        text,
    )
}

/// The answer to what is refused.
pub(super) fn refusal(refusal: Refusal) -> String {
    let allow = match refusal {
        Refusal::MethodNotAllowed => "Allow: GET\r\n",
        _ => "",
    };
    let text = format!("{}\n", refusal.reason());
    answer(refusal.status(), "text/plain; charset=utf-8", allow, &text)
}

fn answer(status: &str, kind: &str, more: &str, text: &str) -> String {
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(request: &str) -> Option<Wanted> {
        wanted(request.as_bytes())
    }

    #[test]
    fn scrape_is_understood() {
        let scrape = "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: \
                      application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n\r\n";
        assert_eq!(of(scrape), Some(Wanted::OpenMetrics));
        for cut in 0..scrape.len() {
            assert_eq!(of(&scrape[..cut]), None, "{cut}");
        }
        let plain = "GET /metrics?x=1 HTTP/1.0\r\n\r\n";
        assert_eq!(of(plain), Some(Wanted::Prometheus));
    }

    #[test]
    fn other_requests_are_refused() {
        let headers = "A: b\r\n".repeat(MAX_HEADERS + 1);
        for (request, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", Refusal::NotFound),
            ("POST /metrics HTTP/1.1\r\n\r\n", Refusal::MethodNotAllowed),
            ("foobar\npasspass\n", Refusal::Malformed),
            (
                &format!("GET /{}", "x".repeat(MAX_REQUEST_BYTES)),
                Refusal::TooLong,
            ),
            (
                &format!("GET / HTTP/1.1\r\n{headers}\r\n"),
                Refusal::TooLong,
            ),
        ] {
            assert_eq!(of(request), Some(Wanted::Refused(expected)), "{request}");
        }
        let said = refusal(Refusal::MethodNotAllowed);
        assert!(said.contains("\r\nAllow: GET\r\n"), "{said}");
    }
}
