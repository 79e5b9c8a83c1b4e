//! Lines for the terminal. Whoever reads them may be gone (`tmpose macs | head`): then they are lost, and nothing else.

use std::fmt::Arguments;
use std::io::Write;

/// Prints a line to stdout, as `println!` does.
macro_rules! outln {
    () => { $crate::cli::terminal::print_line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::terminal::print_line(format_args!($($text)*)) };
}

/// Prints text to stdout, as `print!` does.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::terminal::print(format_args!($($text)*)) };
}

/// Prints a line to stderr, as `eprintln!` does.
macro_rules! errln {
    ($($text:tt)*) => { $crate::cli::terminal::print_error_line(format_args!($($text)*)) };
}

pub(super) use {errln, out, outln};

/// See [`outln`].
pub fn print_line(text: Arguments) {
    print(format_args!("{text}\n"));
}

/// See [`out`].
pub fn print(text: Arguments) {
    // A reader who is gone misses nothing.
    let _ = std::io::stdout().lock().write_fmt(text);
}

/// See [`errln`].
pub fn print_error_line(text: Arguments) {
    let _ = std::io::stderr().lock().write_fmt(format_args!("{text}\n"));
}
