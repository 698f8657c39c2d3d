//! Just enough of Redis's protocol to give a server orders.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing is there.
    Nil,
    /// A number.
    Integer(i64),
    /// A status or a string.
    Bytes(Vec<u8>),
    /// Several answers.
    Array(Vec<Reply>),
}

impl Reply {
    /// A string, status or number as text; of all else an empty one.
    pub fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Nil | Self::Array(_) => String::new(),
        }
    }

    /// A string or status as it came, if it is one.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A number, if it is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The answers in an array; of all else none.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }
}

/// A connection to a server on this machine. What the server refuses is an error with its words.
pub(crate) struct Connection {
    stream: BufStream<TcpStream>,
}

impl Connection {
    pub(crate) async fn open(port: u16, password: Option<&str>) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut connection = Self { stream: BufStream::new(stream) };
        if let Some(password) = password {
            connection.command(&["AUTH", password]).await?;
        }
        Ok(connection)
    }

    pub(crate) async fn command(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        self.write(words).await?;
        self.stream.flush().await?;
        self.read().await
    }

    /// Sends all commands before it waits for the first answer. Fails if one of them does.
    pub(crate) async fn pipeline(&mut self, commands: &[Vec<String>]) -> io::Result<()> {
        for words in commands {
            self.write(words).await?;
        }
        self.stream.flush().await?;
        for _ in commands {
            self.read().await?;
        }
        Ok(())
    }

    async fn write(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<()> {
        self.stream.write_all(format!("*{}\r\n", words.len()).as_bytes()).await?;
        for word in words.iter().map(AsRef::as_ref) {
            self.stream.write_all(format!("${}\r\n", word.len()).as_bytes()).await?;
            self.stream.write_all(word).await?;
            self.stream.write_all(b"\r\n").await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or(io::ErrorKind::UnexpectedEof)?;
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Reply::Bytes(rest.into()),
            "-" => return Err(io::Error::other(rest)),
            ":" => Reply::Integer(number()?),
            "$" => match usize::try_from(number()?) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes).await?;
                    bytes.truncate(length);
                    Reply::Bytes(bytes)
                }
                Err(_) => Reply::Nil,
            },
            "*" => match number()? {
                -1 => Reply::Nil,
                length => {
                    let mut items = Vec::new();
                    for _ in 0..length {
                        items.push(Box::pin(self.read()).await?);
                    }
                    Reply::Array(items)
                }
            },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}
