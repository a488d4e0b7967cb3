//! Who holds the other end of a connection on this machine, and whether what was sent over it was read. Decides it from
//! what the kernel shows in `/proc`, so that a link between two processes can be told from others without a word of what
//! goes over it.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
};

/// Whether something that the process has sent to this address lies there and was not read.
#[must_use]
pub fn lies_unread(process: u32, at: SocketAddr) -> bool {
    let (Some(at), Ok(table)) = (hexadecimal(at), fs::read_to_string("/proc/net/tcp")) else {
        return false;
    };
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let open: BTreeSet<String> = open.map(|link| link.display().to_string()).collect();
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    let is = |line: &[&str], number: usize, text: &str| line.get(number) == Some(&text);
    let own = lines.iter().filter(|line| {
        let socket = line.get(9).map(|inode| format!("socket:[{inode}]"));
        is(line, 2, &at) && socket.is_some_and(|socket| open.contains(&socket))
    });
    let ends: Vec<&str> = own.filter_map(|line| line.get(1).copied()).collect();
    // What it was sent and has not read is the second of its queues.
    let unread =
        |line: &Vec<&str>| line.get(4).is_some_and(|queues| !queues.ends_with(":00000000"));
    ends.iter()
        .any(|end| lines.iter().any(|line| is(line, 1, &at) && is(line, 2, end) && unread(line)))
}

/// The process that connected from `local` to `remote`; `None` if it has gone or is not ours to see.
pub(crate) fn holder(local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let link = format!("socket:[{}]", inode(&table, local, remote)?);
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.find(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target.as_os_str() == link.as_str())
    })
}

/// A socket's number, from a line `sl local remote state queues timer retransmits user timeout inode ...`.
fn inode(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<&str> {
    let (local, remote) = (hexadecimal(local)?, hexadecimal(remote)?);
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let found =
            fields.get(1) == Some(&local.as_str()) && fields.get(2) == Some(&remote.as_str());
        fields.get(9).copied().filter(|_| found)
    })
}

/// As the kernel writes it: the address as a number of the machine's own byte order.
fn hexadecimal(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn what_was_sent_lies_unread_until_it_is_read_whether_it_was_let_in_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(at).unwrap();
        let own = std::process::id();
        assert!(!lies_unread(own, at), "nothing was sent");
        client.write_all(b"x").unwrap();
        assert!(lies_unread(own, at), "it is not let in yet");
        assert!(!lies_unread(1, at), "it is another's");
        let (mut server, _) = listener.accept().unwrap();
        assert!(lies_unread(own, at));
        server.read_exact(&mut [0]).unwrap();
        assert!(!lies_unread(own, at));
    }

    #[test]
    fn a_connection_of_this_process_is_found_to_be_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (local, remote) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        assert_eq!(holder(local, remote), Some(std::process::id()));
        drop(client);
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(holder(nobody, remote), None);
    }
}
