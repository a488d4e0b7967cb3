//! What an operator should do about an error of his disk. Decides by the operating system's number, which is
//! found in the text: what has gone through openraft or sled has no other trace of it left.

/// A sentence to go on with after the error's own text, if there is anything to advise.
pub(crate) fn advice(error: &str) -> Option<&'static str> {
    Some(match rustix::io::Errno::from_raw_os_error(number(error)?) {
        rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT => {
            "the disk is full: free space on it or enlarge it, then start it again; nothing that was \
             acknowledged is lost"
        }
        rustix::io::Errno::IO => {
            "the disk did not do what it was asked for: look at the kernel's log (dmesg) and at the disk; start \
             it again once the disk is well, or replace a member by a new member on another disk"
        }
        rustix::io::Errno::ROFS => {
            "the file system is read-only, often since an error: look at the kernel's log (dmesg), mount it \
             writable, then start it again"
        }
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => {
            "the user that runs this may not do that: give him the directory (chown -R USER DIR), or start it as \
             the user who owns it"
        }
        _ => return None,
    })
}

/// Sled tells some errors in the words of a program: `Os { code: 28, .. }`.
fn number(error: &str) -> Option<i32> {
    let between = |before: &str, after: char| {
        error.rsplit_once(before)?.1.split_once(after)?.0.parse::<i32>().ok()
    };
    between("(os error ", ')').or_else(|| between("Os { code: ", ','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_errors_have_an_advice_wherever_their_number_stands() {
        let said = |error: &str| advice(error).unwrap_or_default();
        assert!(said("a: b: No space left on device (os error 28)").contains("free space"));
        assert!(said("source: Input/output error (os error 5); source: x").contains("dmesg"));
        assert!(said("Read-only file system (os error 30)").contains("mount it writable"));
        assert!(said("Permission denied (os error 13)").contains("chown"));
        let sled = "sled failed: Os { code: 28, kind: StorageFull, message: \"No space\" }";
        assert!(said(sled).contains("free space"));
        assert_eq!(advice("No such file or directory (os error 2)"), None);
        assert_eq!(advice("(os error "), None);
        assert_eq!(advice("all is well"), None);
    }
}
