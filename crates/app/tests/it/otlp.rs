//! An OTLP endpoint that keeps what it is sent, decoded by the messages of the standard.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) path: String,
    /// Lines as sent, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// A running endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Endpoint {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            sent: Arc::default(),
        };
        let sent = Arc::clone(&endpoint.sent);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let sent = Arc::clone(&sent);
                std::thread::spawn(move || serve(&connection.unwrap(), &sent));
            }
        });
        endpoint
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// All spans, each with the attributes of its resource.
    pub(crate) fn spans(&self) -> Vec<(Span, Vec<KeyValue>)> {
        let requests = self.bodies("/v1/traces");
        let requests = requests.map(|body| ExportTraceServiceRequest::decode(&*body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources
            .flat_map(|it| {
                let resource = it.resource.unwrap().attributes;
                let spans = it.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.map(move |span| (span, resource.clone()))
            })
            .collect()
    }

    /// The names of all metrics.
    pub(crate) fn metrics(&self) -> Vec<String> {
        let requests = self.bodies("/v1/metrics");
        let requests = requests.map(|body| ExportMetricsServiceRequest::decode(&*body).unwrap());
        let scopes = requests
            .flat_map(|request| request.resource_metrics)
            .flat_map(|resource| resource.scope_metrics);
        scopes
            .flat_map(|scope| scope.metrics)
            .map(|metric| metric.name)
            .collect()
    }

    fn bodies(&self, path: &'static str) -> impl Iterator<Item = Vec<u8>> + use<> {
        let sent = self.sent().into_iter();
        sent.filter(move |sent| sent.path == path)
            .map(|sent| sent.body)
    }
}

/// Answers the requests of a connection, all of them with the empty message of success.
fn serve(connection: &TcpStream, sent: &Mutex<Vec<Sent>>) {
    let mut input = BufReader::new(connection);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let path = lines.remove(0).split(' ').nth(1).unwrap().to_owned();
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        input.read_exact(&mut body).unwrap();
        sent.lock().unwrap().push(Sent {
            path,
            headers: lines,
            body,
        });
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        let mut output = connection;
        output.write_all(answer.as_bytes()).unwrap();
    }
}

/// An attribute as text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}
