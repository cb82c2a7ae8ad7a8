//! The pixel.

use event::body::{Source, Trust};
use event::{Flag, Topic};
use http::{Method, StatusCode};

use super::{Told, conversions, cookie, pixel, rejections};
use crate::testbed::{Testbed, block_on};

#[test]
fn a_pixel_answers_with_the_image_whatever_happens() {
    let bed = Testbed::new();
    for (uri, status, result) in [
        ("/p/shop.gif?order_id=A&amount=5", 200, "stored; code=0; slug=ok"),
        ("/p/shop.gif?amount=5", 200, "stored; code=110; slug=unconfirmed"),
        ("/p/shop.gif?order_id=A&amount=x", 422, "rejected; code=101; slug=malformed"),
        ("/p/shop.gif?order_id=A&goal=x", 422, "rejected; code=101; slug=malformed"),
        ("/p/nobody.gif?order_id=A", 404, "rejected; code=104; slug=unknown_program"),
        ("/p/fenced.gif?order_id=A", 403, "rejected; code=109; slug=source_refused"),
        ("/p/other.gif?order_id=A", 422, "rejected; code=201; slug=no_click_evidence"),
        ("/p/other.gif?order_id=A&click_id=x", 422, "rejected; code=201; slug=no_click_evidence"),
        (
            "/p/other.gif?order_id=A&click_id=x&test=1",
            422,
            "rejected; code=202; slug=click_signature_invalid",
        ),
        ("/p/shop.gif?order_id=A&status=approved", 403, "rejected; code=109; slug=source_refused"),
    ] {
        let told = pixel(&bed, uri);
        let result_told = told.headers["sillage-result"].to_str().unwrap();
        assert_eq!((told.status.as_u16(), result_told), (status, result), "{uri}");
        assert_eq!(told.headers["content-type"], "image/gif");
        assert_eq!(told.body, crate::response::GIF.as_slice());
    }
    assert_eq!(conversions(&bed).len(), 2);
    let codes: Vec<u16> = rejections(&bed).iter().map(|r| r.code.number()).collect();
    assert_eq!(codes, [101, 101, 104, 109, 201, 202, 202, 109], "the event has the real code");
}

#[test]
fn a_pixel_that_requires_a_click_takes_it_as_parameter_and_as_cookie() {
    let bed = Testbed::new();
    let good = bed.click_id(&bed.claim("lea-other"));
    assert_eq!(pixel(&bed, &format!("/p/other.gif?order_id=A&awc={good}")).status, StatusCode::OK);
    let head = bed.head(
        Method::GET,
        "/p/other.gif?order_id=A",
        &[("cookie", &cookie("sl_c_other", &good))],
    );
    let told = Told::of(block_on(crate::conversion::pixel(&bed.core, &head, "other")));
    assert_eq!(told.status, StatusCode::OK);
    let stored = conversions(&bed);
    assert!(stored.iter().all(|(_, c)| c.source == Source::Pixel && c.trust == Trust::Page));
    let borrowed = bed.click_id(&bed.claim("lea-shop"));
    assert_eq!(
        pixel(&bed, &format!("/p/other.gif?order_id=A&awc={borrowed}")).status.as_u16(),
        422
    );
}

#[test]
fn a_pixel_that_contradicts_itself_is_stored_with_a_flag() {
    let bed = Testbed::new();
    assert_eq!(pixel(&bed, "/p/shop.gif?program=other&order_id=A&txid=B").status, StatusCode::OK);
    let (envelope, conversion) = conversions(&bed).remove(0);
    assert_eq!(envelope.key, "shop/sale/real/o:A");
    assert_eq!(conversion.flags, [Flag::ParamDuplicate, Flag::ParamConflict]);
}

#[test]
fn head_records_nothing() {
    let bed = Testbed::new();
    for (program, status) in [("shop", 200), ("nobody", 404)] {
        let head = bed.head(Method::HEAD, &format!("/p/{program}.gif?order_id=A"), &[]);
        let reply = block_on(crate::conversion::pixel(&bed.core, &head, program));
        assert_eq!(reply.status().as_u16(), status);
    }
    assert!(bed.take(Topic::Conversions).is_empty() && bed.take(Topic::Rejected).is_empty());
}
