// The tag of a program, run in the shop's pages: reports the landing and conversions, and passes the visitor's consent on.
// It keeps the click id in memory only; cookies are set and expired by the edge's answers.
//
//   <script async src="https://t.shop.example/t/PROGRAM.js"></script>
//   (window.sillage = window.sillage || []).push(["consent", "granted"]);
//   sillage.conversion({ order_id: "1001", amount: "49.90", currency: "EUR" }).then(reply => ...);
//
// Settings stand on the early object, before the tag loads: sillage.page = "checkout" (kind of page, where it is not
// to be guessed), sillage.keep_address = true (the click id stays in the address bar).
(function (base, program, parameter) {
  var early = window.sillage || [];
  if (early.loaded) return;
  var click = new URLSearchParams(location.search).get(parameter);
  var consent, leaving;
  // A page rendered ahead reports nothing until somebody sees it.
  var shown = document.prerendering && new Promise(function (done) {
    document.addEventListener("prerenderingchange", done, { once: true });
  });

  function form(fields) {
    var body = new URLSearchParams();
    for (var name in fields) {
      var value = fields[name];
      if (value != null) body.append(name, typeof value == "object" ? JSON.stringify(value) : value);
    }
    return body;
  }

  async function post(path, body) {
    await shown;
    var reply = await fetch(base + path, {
      method: "POST",
      body: body,
      credentials: "include",
      // Browsers refuse to keep more than 64 KiB alive behind a page that is left.
      keepalive: ("" + body).length < 6e4
    });
    return reply.json().catch(function () { return {}; });
  }

  function image(body) {
    return new Promise(function (done) {
      var pixel = new Image();
      pixel.onload = pixel.onerror = function () { done({}); };
      pixel.src = base + "/p/" + program + ".gif?" + body;
    });
  }

  function origin(address) {
    try {
      return new URL(address).origin;
    } catch (e) {}
  }

  function landing() {
    var referrer = origin(document.referrer);
    return post("/v1/clicks", form({
      program: program,
      click_id: click,
      url: location.origin + location.pathname,
      referrer: referrer,
      page: early.page || (referrer == location.origin ? "later" : "entry"),
      entered_at: Math.round(performance.timeOrigin),
      activated: 1,
      consent: consent
    })).catch(function () { return {}; });
  }

  function random() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), function (byte) {
      return (byte + 256).toString(16).slice(1);
    }).join("");
  }

  var sillage = window.sillage = {
    loaded: 1,
    page: early.page,
    // The click id, for a form field that the shop's server reads; absent where none is known or tracking was refused.
    get click_id() { return click || undefined; },
    // "granted" or "denied": told to the edge at once, whose answer sets or expires the cookies.
    consent: async function (state) {
      consent = state;
      var told = click || state == "denied" ? landing() : {};
      if (state == "denied") click = null;
      return told;
    },
    // Fields as of /v1/conversions. The id of the event is written into `order`, so that a retry sends the same one.
    conversion: async function (order) {
      order.client_event_id = order.client_event_id || random();
      var body = form(Object.assign({ program: program, click_id: click, consent: consent }, order));
      if (leaving) {
        var sent = navigator.sendBeacon && navigator.sendBeacon(base + "/v1/conversions", body);
        return sent ? {} : image(body);
      }
      return post("/v1/conversions", body).catch(function () { return image(body); });
    },
    push: function (call) { return sillage[call[0]](call[1]); }
  };

  addEventListener("pagehide", function () { leaving = 1; });
  addEventListener("pageshow", function () { leaving = 0; });
  var calls = Array.from(early);
  // A choice that the page made before the tag came stands in the first report already.
  calls.forEach(function (call) { if (call[0] == "consent") consent = call[1]; });
  if (click) {
    if (consent != "granted" && consent != "denied") landing();
    if (!early.keep_address) {
      var rest = location.search.slice(1).split("&").filter(function (pair) {
        return pair.split("=")[0] != parameter;
      }).join("&");
      history.replaceState(history.state, "", location.pathname + (rest && "?" + rest) + location.hash);
    }
  }
  calls.forEach(sillage.push);
})(__BASE__, __PROGRAM__, __PARAMETER__);
