//! What more than one program of chatserv needs: the RPC between workers and state daemon, the
//! words and rules of the line protocol, and how processes are supervised.

pub mod protocol;
pub mod rpc;
