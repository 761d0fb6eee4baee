//! wxgate.
pub mod config;
pub mod egress;
pub mod gateway;
pub mod secret;
pub mod token;
pub mod upstream;
pub mod wechat;
