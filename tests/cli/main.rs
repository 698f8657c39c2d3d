//! The binary as people and programs use it: real processes, a real relay on a free port, files in a directory of their
//! own.

mod demo;
mod example_config;
mod help;
mod messages;
mod mistakes;
mod operator;
mod scene;
