//! The URL of a Redis installation.
//!
//! ```text
//! redis://[user:password@]host[:port][/database]                      one server
//! redis+sentinel://[user:password@]host[:port],…/service[/database]   the primary that Sentinels name
//! redis+cluster://[user:password@]host[:port],…                       a Redis Cluster
//! ```
//!
//! `rediss` in place of `redis` means TLS, to Sentinels too.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::wire::Endpoint;

/// Where Redis is and who we are there. It may hold a password, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) place: Place,
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
}

/// How servers are found.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// There is one.
    Server(Endpoint),
    /// These know the primary of this service.
    Sentinels(Vec<Endpoint>, String),
    /// These, or some of them, are in the cluster.
    Cluster(Vec<Endpoint>),
}

const FORM: &str = "it is no redis://[user:password@]host[:port][/database]";
const SENTINEL_FORM: &str = "it is no redis+sentinel://[user:password@]host[:port],host[:port]/service[/database]";
const CLUSTER_FORM: &str = "it is no redis+cluster://[user:password@]host[:port],host[:port]";

impl RedisUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, without repeating it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (tls, form, port) = match scheme {
            "redis" | "rediss" => (scheme == "rediss", FORM, 6379),
            "redis+sentinel" | "rediss+sentinel" => (scheme == "rediss+sentinel", SENTINEL_FORM, 26379),
            "redis+cluster" | "rediss+cluster" => (scheme == "rediss+cluster", CLUSTER_FORM, 6379),
            _ => {
                return Err("a Redis URL begins with redis://, redis+sentinel:// or redis+cluster://, \
                            or with rediss in place of redis for TLS");
            }
        };
        if rest.contains(['?', '#']) {
            return Err("options (?…) and #insecure are not supported: settings of their own say the same");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        let mut servers = Vec::new();
        let mut parsed = None;
        for host in hosts.split(',') {
            let (server, info) = server(&login, host, port).ok_or(form)?;
            servers.push(server);
            parsed = Some(info);
        }
        let info = parsed.ok_or(form)?;
        let login = info.redis_settings();
        let (place, database) = match form {
            FORM => (Place::Server(only(servers).ok_or(form)?), path),
            SENTINEL_FORM => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err("the name of the service is missing: redis+sentinel://host,host/service");
                }
                (Place::Sentinels(servers, service.to_owned()), database)
            }
            _ if path.is_empty() => (Place::Cluster(servers), ""),
            _ => return Err("a Redis Cluster has no databases: nothing may stand after the hosts"),
        };
        let database = if database.is_empty() { 0 } else { database.parse().map_err(|_| form)? };
        Ok(Self {
            place,
            tls,
            user: login.username().map(str::to_owned),
            password: login.password().map(str::to_owned),
            database,
        })
    }

    /// The same, with a password from elsewhere.
    ///
    /// # Errors
    /// Where the URL has a password already.
    pub fn with_password(self, password: &str) -> Result<Self, &'static str> {
        if self.password.is_some() {
            return Err("it holds a password, and store.password_file is set too; take one out");
        }
        Ok(Self { password: Some(password.to_owned()), ..self })
    }

    /// Whether Sentinels are asked.
    pub fn names_sentinels(&self) -> bool {
        matches!(self.place, Place::Sentinels(..))
    }
}

fn only(servers: Vec<Endpoint>) -> Option<Endpoint> {
    <[Endpoint; 1]>::try_from(servers).ok().map(|[server]| server)
}

/// Has the library read one host with its login: it knows about escapes and IPv6.
fn server(login: &str, host: &str, port: u16) -> Option<(Endpoint, redis::ConnectionInfo)> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if host.is_empty() || (has_port && host.ends_with(':')) {
        return None;
    }
    let port = if has_port { String::new() } else { format!(":{port}") };
    let info = format!("redis://{login}{host}{port}").as_str().into_connection_info().ok()?;
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => Some((Endpoint { host: host.clone(), port: *port }, info)),
        _ => None,
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    #[test]
    fn one_server() {
        let url = RedisUrl::parse("redis://localhost").expect("a URL");
        assert!(url.place == Place::Server(at("localhost", 6379)) && !url.tls && url.database == 0);
        let url = RedisUrl::parse("rediss://me:p%40ss@[::1]:7000/3").expect("a URL");
        assert!(url.place == Place::Server(at("::1", 7000)) && url.tls && url.database == 3);
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("me"), Some("p@ss")));
    }

    #[test]
    fn sentinels_and_clusters() {
        let url = RedisUrl::parse("redis+sentinel://:secret@a,b:1/mail/2").expect("a URL");
        assert!(url.place == Place::Sentinels(vec![at("a", 26379), at("b", 1)], "mail".to_owned()));
        assert_eq!((url.password.as_deref(), url.database), (Some("secret"), 2));
        let url = RedisUrl::parse("rediss+cluster://a:1,b:2,c").expect("a URL");
        assert!(url.place == Place::Cluster(vec![at("a", 1), at("b", 2), at("c", 6379)]) && url.tls);
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        for (url, problem) in [
            ("http://a", "begins with"),
            ("a", "begins with"),
            ("redis://", "it is no redis://"),
            ("redis://a,b", "it is no redis://"),
            ("redis://a/b", "it is no redis://"),
            ("redis://a:", "it is no redis://"),
            ("redis://a?protocol=resp3", "options"),
            ("rediss://a#insecure", "options"),
            ("redis+sentinel://a,b", "name of the service"),
            ("redis+sentinel://a,,b/s", "it is no redis+sentinel://"),
            ("redis+cluster://a/1", "no databases"),
            ("redis+cluster://a:x", "it is no redis+cluster://"),
        ] {
            let found = RedisUrl::parse(url).expect_err(url);
            assert!(found.contains(problem), "{url}: {found}");
        }
    }

    #[test]
    fn a_password_comes_from_one_place() {
        let url = RedisUrl::parse("redis://me@a").expect("a URL").with_password("x").expect("it had none");
        assert_eq!(url.password.as_deref(), Some("x"));
        assert!(url.with_password("y").is_err());
        assert_eq!(format!("{:?}", RedisUrl::parse("redis://a:b@c").expect("a URL")), "RedisUrl(..)");
    }
}
