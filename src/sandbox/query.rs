//! The pairs of a query string.

use percent_encoding::percent_decode_str;

/// Names and values, decoded, in their order; a pair without `=` has an empty value.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_equals_sign_parts_name_and_value() {
        let expected = [("a", "1=2"), ("b", ""), ("a", "é")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(pairs("a=1=2&&b&a=%C3%A9"), expected);
        assert_eq!(pairs(""), []);
    }
}
