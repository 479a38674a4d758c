//! Finding and killing the process at the other end of a connection on this machine.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// The program that a function is deployed as; nothing else is ever killed.
const PROGRAM: &str = "bootstrap";

/// Kills the function's process that holds the connection `from` → `to`, as Lambda does at a time-out: without a
/// word.
pub(super) fn kill_owner_of(from: SocketAddr, to: SocketAddr) -> Result<()> {
    let inode = socket_inode(from, to)?.context("the connection is not in /proc/net/tcp")?;
    let pid = owner_of(&inode)?.context("no process has the connection open")?;
    let program = fs::read_to_string(format!("/proc/{pid}/comm"))?;
    ensure!(program.trim() == PROGRAM, "process {pid} is {program:?}, not a function");
    let Some(pid) = Pid::from_raw(pid) else { bail!("{pid} is no process") };
    kill_process(pid, Signal::KILL)?;
    Ok(())
}

/// The inode of the caller's socket (`proc_pid_net(5)`: addresses in hexadecimal, the machine's byte order).
fn socket_inode(from: SocketAddr, to: SocketAddr) -> Result<Option<String>> {
    let (from, to) = (in_proc(from)?, in_proc(to)?);
    let table = fs::read_to_string("/proc/net/tcp")?;
    Ok(table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields.len() > 9 && fields[1] == from && fields[2] == to).then(|| fields[9].to_owned())
    }))
}

fn in_proc(address: SocketAddr) -> Result<String> {
    let IpAddr::V4(ip) = address.ip() else { bail!("{address} is not IPv4") };
    Ok(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

fn owner_of(inode: &str) -> Result<Option<i32>> {
    let socket = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes of others, and those that have just ended, cannot be looked into.
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        if files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()))
        {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}
