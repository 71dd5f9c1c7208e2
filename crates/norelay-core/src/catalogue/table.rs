//! The table. One line a test; its document is `catalogue/relay/<id>.md`.
//!
//! Where an address was typed, it is the primary name of the target and the host name the secondary one, as in the
//! ancestor: so `{primary}` and `{secondary}`, not "name" and "address".

use super::{Group, Line, PLAIN, Profile, RelayTest, Strength};

macro_rules! tests {
    ($($number:literal $id:literal $profile:ident $group:ident $strength:ident
       $reverse_path:literal $forward_path:literal $dialogue:expr;)*) => {
        /// Every test and control, in display order.
        pub static TESTS: &[RelayTest] = &[$(RelayTest {
            number: $number,
            id: $id,
            profile: Profile::$profile,
            group: Group::$group,
            strength: Strength::$strength,
            reverse_path: $reverse_path,
            forward_path: $forward_path,
            dialogue: { const DIALOGUE: &[Line] = $dialogue; DIALOGUE },
            document: include_str!(concat!("../../catalogue/relay/", $id, ".md")),
        }),*];
    };
}

#[rustfmt::skip]
tests! {
    // The seventeen.
    1 "foreign-to-foreign" Classic Plain Strong "<{sender}@{domain}>" "<{user}@{domain}>" PLAIN;
    2 "bare-sender" Classic Sender Strong "<{sender}>" "<{user}@{domain}>" PLAIN;
    3 "null-sender" Classic Sender Strong "<>" "<{user}@{domain}>" PLAIN;
    4 "target-host-sender" Classic Sender Strong "<{sender}@{primary}>" "<{user}@{domain}>" PLAIN;
    5 "target-ip-sender" Classic Sender Strong "<{sender}@{secondary}>" "<{user}@{domain}>" PLAIN;
    6 "percent-host" Classic Percent Weak "<{sender}@{primary}>" "<{user}%{domain}@{primary}>" PLAIN;
    7 "percent-ip" Classic Percent Weak "<{sender}@{primary}>" "<{user}%{domain}@{secondary}>" PLAIN;
    8 "quoted-at" Classic At Weak "<{sender}@{primary}>" "<\"{user}@{domain}\">" PLAIN;
    9 "quoted-percent" Classic Percent Weak "<{sender}@{primary}>" "<\"{user}%{domain}\">" PLAIN;
    10 "double-at-host" Classic At Weak "<{sender}@{primary}>" "<{user}@{domain}@{primary}>" PLAIN;
    11 "quoted-at-host" Classic At Weak "<{sender}@{primary}>" "<\"{user}@{domain}\"@{primary}>" PLAIN;
    12 "double-at-ip" Classic At Weak "<{sender}@{primary}>" "<{user}@{domain}@{secondary}>" PLAIN;
    13 "source-route-host" Classic Route Strong "<{sender}@{primary}>" "<@{primary}:{user}@{domain}>" PLAIN;
    14 "source-route-ip" Classic Route Strong "<{sender}@{primary}>" "<@{secondary}:{user}@{domain}>" PLAIN;
    15 "bang-bare" Classic Bang Weak "<{sender}@{primary}>" "<{domain}!{user}>" PLAIN;
    16 "bang-host" Classic Bang Weak "<{sender}@{primary}>" "<{domain}!{user}@{primary}>" PLAIN;
    17 "bang-ip" Classic Bang Weak "<{sender}@{primary}>" "<{domain}!{user}@{secondary}>" PLAIN;

    // Controls.
    136 "ctl-local-nx" Classic Control Weak "<{sender}@{domain}>" "<{unknown}@{local_domain}>" PLAIN;
    137 "ctl-host-nx" Classic Control Weak "<{sender}@{domain}>" "<{unknown}@{host}>" PLAIN;
    138 "ctl-foreign-invalid" Classic Control Strong "<{sender}@{domain}>" "<{user}@{unknown}.invalid>" PLAIN;
    139 "ctl-second-foreign" Classic Control Strong "<{sender}@{domain}>" "<{user}@{second_domain}>" PLAIN;
    140 "ctl-postmaster" Classic Control Weak "<{sender}@{domain}>" "<postmaster@{local_domain}>" PLAIN;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_unique_and_in_order() {
        assert!(TESTS.is_sorted_by(|a, b| a.number < b.number));
        let mut ids: Vec<_> = TESTS.iter().map(|test| test.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TESTS.len());
        assert!((1..=17).eq(TESTS.iter().take(17).map(|test| test.number)));
    }
}
