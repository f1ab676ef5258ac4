//! Webhook signatures: published vectors, and everything that must be refused.

use tropism::agent_manager::{
    STANDARD_TOLERANCE_SECONDS, SignatureError, sign_github, sign_standard, verify_github, verify_standard,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED_AT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn verify_at(now: i64, signature: &str) -> Result<(), SignatureError> {
    verify_standard(SECRET, ID, &SIGNED_AT.to_string(), signature, BODY, now, STANDARD_TOLERANCE_SECONDS)
}

#[test]
fn published_vectors_hold() {
    let Some(vectors) = super::shared_data::json("signature-vectors.json") else { return };
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 20);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (secret, body, signature) = (text("secret"), text("body_utf8").as_bytes(), text("signature"));
        if text("scheme") == "github-hmac-sha256" {
            let valid = vector["valid"].as_bool().unwrap();
            let outcome = verify_github(secret.as_bytes(), body, signature);
            assert_eq!(outcome.is_ok(), valid, "{}: {outcome:?}", text("name"));
            assert_eq!(sign_github(secret.as_bytes(), body) == signature, valid, "{}", text("name"));
        } else {
            assert_eq!(text("scheme"), "standard-webhooks-v1");
            let matches = vector["hmac_matches"].as_bool().unwrap();
            let at = vector["timestamp"].as_i64().unwrap();
            let verify = |now| verify_standard(secret, text("id"), &at.to_string(), signature, body, now, 300);
            assert_eq!(verify(at).is_ok(), matches, "{}: {:?}", text("name"), verify(at));
            assert!(matches!(verify(at + 301), Err(SignatureError::TooOld { .. })), "{}", text("name"));
            let made = sign_standard(secret, text("id"), at, body).unwrap();
            assert_eq!(signature.split(' ').any(|entry| entry == made), matches, "{}", text("name"));
        }
    }
}

#[test]
fn a_github_signature_is_of_these_bytes_and_this_secret() {
    let header = sign_github(b"secret", b"body");
    assert_eq!(verify_github(b"secret", b"body", &header), Ok(()));
    assert_eq!(verify_github(b"secret", b"body", &header.to_uppercase().replace("SHA", "sha")), Ok(()));
    let no_match = Err(SignatureError::NoMatch { header: "X-Hub-Signature-256" });
    assert_eq!(verify_github(b"secret", b"body ", &header), no_match);
    assert_eq!(verify_github(b"Secret", b"body", &header), no_match);
    assert_eq!(verify_github(b"", b"body", &sign_github(b"", b"body")), Err(SignatureError::EmptySecret));
    for malformed in ["sha256=", "sha1=00", "sha256=+f", &header.replace('=', "= "), &format!("{header}\n"), "é"] {
        let outcome = verify_github(b"secret", b"body", malformed);
        assert!(matches!(outcome, Err(SignatureError::MalformedHeader { .. })), "{malformed}: {outcome:?}");
    }
}

/// Test cases 1, 2 and 6 of RFC 4231, with keys shorter and longer than a block, and the lengths around a block.
#[test]
fn keys_of_every_length_are_laid_out_as_hmac_does() {
    for (key, body, digest) in [
        (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ] {
        assert_eq!(sign_github(&key, &body), format!("sha256={digest}"));
    }
    for length in [63, 64, 65] {
        let key = vec![7; length];
        assert_eq!(verify_github(&key, b"body", &sign_github(&key, b"body")), Ok(()));
    }
}

#[test]
fn any_matching_signature_of_a_known_version_suffices() {
    let good = sign_standard(SECRET, ID, SIGNED_AT, BODY).unwrap();
    let wrong = sign_standard("c2VjcmV0", ID, SIGNED_AT, BODY).unwrap();
    assert_eq!(verify_at(SIGNED_AT, &good), Ok(()));
    assert_eq!(verify_at(SIGNED_AT, &format!("v1a,abc {wrong} v1,?? v1, nonsense {good}")), Ok(()));
    let no_match = Err(SignatureError::NoMatch { header: "webhook-signature" });
    assert_eq!(verify_at(SIGNED_AT, &wrong), no_match);
    assert_eq!(verify_at(SIGNED_AT, "v1,"), no_match);
    for without in ["", "   ", "v1", "v1a,abc", &good.replace("v1,", ""), &good.replace("v1,", "v2,")] {
        let outcome = verify_at(SIGNED_AT, without);
        assert!(matches!(outcome, Err(SignatureError::MalformedHeader { .. })), "{without}: {outcome:?}");
    }
}

#[test]
fn the_clocks_may_differ_by_the_tolerance_and_no_more() {
    let good = sign_standard(SECRET, ID, SIGNED_AT, BODY).unwrap();
    for apart in [-300, -1, 0, 300] {
        assert_eq!(verify_at(SIGNED_AT + apart, &good), Ok(()), "{apart}");
    }
    let too_old = SignatureError::TooOld { age_seconds: 301, tolerance_seconds: 300 };
    assert_eq!(verify_at(SIGNED_AT + 301, &good), Err(too_old));
    let too_new = SignatureError::TooNew { ahead_seconds: 301, tolerance_seconds: 300 };
    assert_eq!(verify_at(SIGNED_AT - 301, &good), Err(too_new));
    assert!(matches!(verify_at(i64::MAX, &good), Err(SignatureError::TooOld { .. })));
    assert!(matches!(verify_at(i64::MIN, &good), Err(SignatureError::TooNew { .. })));
}

#[test]
fn malformed_parts_are_named() {
    let good = sign_standard(SECRET, ID, SIGNED_AT, BODY).unwrap();
    let verify =
        |secret: &str, id: &str, timestamp: &str| verify_standard(secret, id, timestamp, &good, BODY, SIGNED_AT, 300);
    let at = SIGNED_AT.to_string();
    for timestamp in ["", " ", "-1", "+1614265330", "1614265330.0", "now", "99999999999999999999"] {
        assert_eq!(verify(SECRET, ID, timestamp), Err(SignatureError::MalformedTimestamp), "{timestamp}");
    }
    assert_eq!(verify("whsec_!", ID, &at), Err(SignatureError::MalformedSecret));
    assert_eq!(verify("whsec_", ID, &at), Err(SignatureError::EmptySecret));
    assert_eq!(verify("", ID, &at), Err(SignatureError::EmptySecret));
    for id in ["", "msg.1"] {
        let outcome = verify(SECRET, id, &at);
        assert!(matches!(outcome, Err(SignatureError::MalformedHeader { header: "webhook-id", .. })), "{outcome:?}");
    }
    assert_eq!(sign_standard(SECRET, ID, -1, BODY), Err(SignatureError::MalformedTimestamp));
    let unpadded = sign_standard("c2VjcmV0MQ", ID, SIGNED_AT, BODY);
    assert_eq!(unpadded, sign_standard("c2VjcmV0MQ==", ID, SIGNED_AT, BODY));
    assert!(unpadded.is_ok());
}
