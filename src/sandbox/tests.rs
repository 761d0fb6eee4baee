//! Filled in the next delivery.
