//! The engines that live on servers.

mod http_translator;
mod openai;
mod refusals;
