//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::Instant;

/// Asks until the answer is there, and gives it.
///
/// # Panics
/// When it is not there after `patience`; `what` says what was waited for.
pub async fn eventually<T>(what: &str, patience: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Ok(Some(answer)) = tokio::time::timeout_at(deadline, condition()).await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_gives_the_answer_once_there_is_one() {
        let mut asked = 0;
        let answer = eventually("the third time", Duration::from_secs(5), async || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "not within 5ms: rain")]
    async fn it_gives_up_on_a_condition_that_never_answers() {
        eventually("rain", Duration::from_millis(5), async || std::future::pending::<Option<()>>().await).await;
    }
}
