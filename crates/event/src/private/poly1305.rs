//! Poly1305 (RFC 8439, 2.5) over whole blocks of 16 bytes, in limbs of 44 bits.
//!
//! The event of a click is sealed in a fraction of a microsecond or it costs as much as the redirect. The AVX2 code of
//! the crate that checks us in the tests is not inlined in a portable build and takes five times as long for the 250
//! bytes of a private block. Algorithm: A. Moon, "poly1305-donna", 64-bit variant. No branch depends on a secret.

const LOW44: u64 = (1 << 44) - 1;
const LOW42: u64 = (1 << 42) - 1;
/// 2¹²⁸ in the highest limb: the bit after a whole block.
const HIGH_BIT: u64 = 1 << 40;

/// The tag of a message of whole blocks.
pub(super) struct Poly1305 {
    r: [u64; 3],
    h: [u64; 3],
    pad: [u64; 2],
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let n = u128::from_le_bytes(*block);
    (low(n), low(n >> 64))
}

#[expect(clippy::cast_possible_truncation, reason = "the low 64 bits are what is wanted")]
const fn low(n: u128) -> u64 {
    n as u64
}

impl Poly1305 {
    /// With a key that is used once.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let (r, pad) = key.split_at(16);
        let block = |half: &[u8]| halves(&half.try_into().unwrap_or([0; 16]));
        let (t0, t1) = block(r);
        let pad = block(pad);
        let r = [
            t0 & 0x0ffc_0fff_ffff,
            ((t0 >> 44) | (t1 << 20)) & 0x0fff_ffc0_ffff,
            (t1 >> 24) & 0x000f_ffff_fc0f,
        ];
        Self { r, h: [0; 3], pad: [pad.0, pad.1] }
    }

    /// Takes one block.
    pub(super) fn block(&mut self, block: &[u8; 16]) {
        let (t0, t1) = halves(block);
        let [r0, r1, r2] = self.r.map(u128::from);
        let (s1, s2) = (r1 * 20, r2 * 20);
        let [h0, h1, h2] = self.h;
        let h0 = u128::from(h0 + (t0 & LOW44));
        let h1 = u128::from(h1 + (((t0 >> 44) | (t1 << 20)) & LOW44));
        let h2 = u128::from(h2 + ((t1 >> 24) | HIGH_BIT));
        let d0 = h0 * r0 + h1 * s2 + h2 * s1;
        let d1 = h0 * r1 + h1 * r0 + h2 * s2 + (d0 >> 44);
        let d2 = h0 * r2 + h1 * r1 + h2 * r0 + (d1 >> 44);
        let h0 = (low(d0) & LOW44) + low(d2 >> 42) * 5;
        self.h = [h0 & LOW44, (low(d1) & LOW44) + (h0 >> 44), low(d2) & LOW42];
    }

    /// The tag.
    pub(super) fn finish(self) -> [u8; 16] {
        let [mut h0, mut h1, mut h2] = self.h;
        for _ in 0..2 {
            h2 += h1 >> 44;
            h1 &= LOW44;
            h0 += (h2 >> 42) * 5;
            h2 &= LOW42;
            h1 += h0 >> 44;
            h0 &= LOW44;
        }
        // h − p, taken in its place if it is not negative.
        let g0 = h0 + 5;
        let g1 = h1 + (g0 >> 44);
        let g2 = (h2 + (g1 >> 44)).wrapping_sub(1 << 42);
        let keep = (g2 >> 63).wrapping_neg();
        let choose = |h: u64, g: u64| (h & keep) | (g & !keep);
        let (h0, h1, h2) = (choose(h0, g0 & LOW44), choose(h1, g1 & LOW44), choose(h2, g2 & LOW42));
        let sum = u128::from(h0) + (u128::from(h1) << 44) + (u128::from(h2) << 88);
        let [pad0, pad1] = self.pad.map(u128::from);
        sum.wrapping_add(pad0 | (pad1 << 64)).to_le_bytes()
    }
}
