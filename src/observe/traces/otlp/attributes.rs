//! What spans say, as OTLP has it: names and values, each with a bound.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Bytes of the longest text.
const LONGEST: usize = 1_024;

/// A text, cut where it is too long: cut before it is copied, since a text cut afterwards keeps the memory of all of it.
pub(super) fn text(key: &str, value: impl AsRef<str>) -> KeyValue {
    let value = value.as_ref();
    attribute(key, Value::StringValue(value[..value.floor_char_boundary(LONGEST)].to_owned()))
}

/// A number.
pub(super) fn number(key: &str, value: impl Into<i64>) -> KeyValue {
    attribute(key, Value::IntValue(value.into()))
}

/// A number of something, which OTLP has no larger.
pub(super) fn count(key: &str, value: u64) -> KeyValue {
    number(key, i64::try_from(value).unwrap_or(i64::MAX))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
