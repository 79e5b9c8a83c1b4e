//! The program's resident memory, where the system reports it (Linux).

use std::fs;

/// Resident memory now, in MiB; `None` where the system does not report it.
pub fn resident() -> Option<f64> {
    status("VmRSS:")
}

/// The most resident memory since the last [`forget_peak`], in MiB.
pub fn peak() -> Option<f64> {
    status("VmHWM:")
}

/// Resets the peak. Where the system does not allow it, the peak stays that of the whole program so far.
pub fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn status(name: &str) -> Option<f64> {
    mebibytes(&fs::read_to_string("/proc/self/status").ok()?, name)
}

fn mebibytes(status: &str, name: &str) -> Option<f64> {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?;
    kibibytes.parse::<f64>().ok().map(|k| k / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        let status = "Name:\ttmpose\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n";
        assert_eq!((mebibytes(status, "VmRSS:"), mebibytes(status, "VmHWM:")), (Some(100.0), Some(200.0)));
        assert_eq!(mebibytes("Name:\ttmpose\n", "VmRSS:"), None);
    }
}
