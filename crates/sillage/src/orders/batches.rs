//! Acts in pieces that one call takes.

use edge::{BATCH_BYTES_MAX, BATCH_LINES_MAX};

use super::rows::Act;

/// Cuts acts into batches, each with its body.
pub(super) fn batches(acts: &[Act]) -> Vec<(&[Act], Vec<u8>)> {
    let mut batches = Vec::new();
    let mut rest = acts;
    while !rest.is_empty() {
        let mut body = Vec::new();
        let mut count = 0;
        for act in rest.iter().take(BATCH_LINES_MAX) {
            if count > 0 && body.len() + act.json.len() + 1 > BATCH_BYTES_MAX {
                break;
            }
            body.extend_from_slice(act.json.as_bytes());
            body.push(b'\n');
            count += 1;
        }
        let (batch, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        batches.push((batch, body));
        rest = after;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::{BATCH_BYTES_MAX, batches};
    use crate::orders::rows::Act;

    fn acts(count: usize, bytes: usize) -> Vec<Act> {
        let act = |line| Act {
            line,
            order: String::new(),
            json: "x".repeat(bytes),
            meaning: String::new(),
        };
        (0..count).map(act).collect()
    }

    #[test]
    fn a_batch_has_at_most_the_lines_and_bytes_of_one_call() {
        let sizes = |acts: &[Act]| -> Vec<usize> {
            let batches = batches(acts);
            assert!(batches.iter().all(|(_, body)| body.len() <= BATCH_BYTES_MAX));
            batches.iter().map(|(acts, _)| acts.len()).collect()
        };
        assert_eq!(sizes(&acts(1_000, 10)), [1_000]);
        assert_eq!(sizes(&acts(2_001, 10)), [1_000, 1_000, 1]);
        assert_eq!(sizes(&acts(16, 65_535)), [16]);
        assert_eq!(sizes(&acts(17, 65_535)), [16, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
