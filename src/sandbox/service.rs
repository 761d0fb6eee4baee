//! One request's way through the sandbox: read, recorded, struck by a fault or not, answered.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use tokio::sync::Notify;

use super::answer::Answer;
use super::answer_body::AnswerBody;
use super::call::{Call, Origin};
use super::faults::{Coding, Fault, HangUp, Reply};
use super::wire::Orders;
use super::world::World;
use super::{control, endpoints};

/// How much of a head passes before the connection is cut amid it: past the status line.
const HEAD_BEFORE_CUT: usize = 20;

/// The connection closes without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
pub(super) struct HungUp;

/// What a request's service may do to the connection under it.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) origin: Origin,
    pub(super) orders: Orders,
    pub(super) close_after_answer: Arc<Notify>,
}

/// Answers one request, or hangs up.
pub(super) async fn serve(
    world: Arc<World>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, HungUp> {
    let call = Call::receive(&world, connection.origin, request).await.map_err(|_| HungUp)?;
    if call.path().starts_with(control::PREFIX) {
        return Ok(respond(control::answer(&world, &call), &Fault::default()));
    }
    world.journal().record(call.seen.clone());
    let fault = world.faults().strike(call.path());
    wait(&fault).await;
    if fault.hang_up == Some(HangUp::Before) {
        return Err(HungUp);
    }
    let answer = match &fault.answer {
        None => endpoints::answer(&world, call),
        Some(Reply::Errcode(errcode, words)) => Answer::error_saying(*errcode, words),
        Some(Reply::Whole(answer)) => answer.clone(),
        Some(Reply::Raw(bytes)) => {
            connection.orders.replace_answer(bytes.clone());
            Answer::ok()
        }
    };
    let answer = encode(answer, fault.coding).map_err(|_| HungUp)?;
    Ok(hang_up(answer, &fault, &connection))
}

async fn wait(fault: &Fault) {
    if let Some(gate) = &fault.gate {
        gate.pass().await;
    }
    if !fault.delay.is_zero() {
        tokio::time::sleep(fault.delay).await;
    }
}

/// Makes the response, and says to the connection where it is to end.
fn hang_up(answer: Answer, fault: &Fault, connection: &Connection) -> Response<AnswerBody> {
    let half = answer.body.len() / 2;
    let response = respond(answer, fault);
    match fault.hang_up {
        None | Some(HangUp::Before) => response,
        Some(HangUp::AmidHead) => {
            connection.orders.cut_head_after(HEAD_BEFORE_CUT);
            response
        }
        Some(HangUp::AmidBody) => {
            connection.orders.cut_body_after(half);
            response
        }
        Some(HangUp::After) => response.map(|body| body.notify_at_end(connection.close_after_answer.clone())),
    }
}

fn respond(answer: Answer, fault: &Fault) -> Response<AnswerBody> {
    let mut body = AnswerBody::new(answer.body).pace(fault.pace);
    if fault.chunked {
        body = body.hide_length();
    }
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, answer.content_type);
    for (name, value) in answer.headers.iter().chain(&fault.headers) {
        headers.append(name, value.clone());
    }
    response
}

fn encode(mut answer: Answer, coding: Option<Coding>) -> io::Result<Answer> {
    let Some(coding) = coding else { return Ok(answer) };
    let (name, body) = match coding {
        Coding::Gzip => ("gzip", gzip(&answer.body)?),
        Coding::Deflate => ("deflate", deflate(&answer.body)?),
    };
    answer.body = body;
    Ok(answer.header(CONTENT_ENCODING, HeaderValue::from_static(name)))
}

fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

fn deflate(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}
