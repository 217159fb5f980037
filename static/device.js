// The key of a stop device: P-256, made by this browser, its private half readable by no script; kept in this browser's own store. On the page
// of its enrolment the public half goes with the form; on the stop page the key signs the press. A stop never waits for it longer than half a
// second: what cannot be signed is sent as it is.
(() => {
  "use strict";
  const toText = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const done = request => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const store = async mode => {
    const open = indexedDB.open("andon", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("keys");
    return (await done(open)).transaction("keys", mode).objectStore("keys");
  };

  const enrol = document.querySelector("form[data-device=enrol]");
  if (enrol) {
    (async () => {
      const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      await done((await store("readwrite")).put(pair.privateKey, "stop-device"));
      enrol.elements.public_key.value = toText(await crypto.subtle.exportKey("raw", pair.publicKey));
    })().catch(() => {});
  }

  const forms = document.querySelectorAll("form[data-device=stop]");
  if (forms.length) {
    const key = store("readonly").then(keys => done(keys.get("stop-device")));
    key.catch(() => {});
    const sign = async text => {
      const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, await key, new TextEncoder().encode(text));
      return toText(signature);
    };
    for (const form of forms) {
      let isSigned = false;
      addEventListener("pageshow", () => { isSigned = false; });
      form.addEventListener("submit", event => {
        const button = event.submitter;
        // A browser that cannot send it again by script sends it now, as it is.
        if (isSigned || !button || !form.requestSubmit) return;
        event.preventDefault();
        const { key: press, level, proof } = form.elements;
        const go = signature => {
          if (isSigned) return;
          isSigned = true;
          proof.value = signature;
          form.requestSubmit(button);
        };
        setTimeout(go, 500, "");
        // Later, never at once: a browser ignores what is sent while it still tells of the press, and the stop would be lost.
        const later = signature => setTimeout(go, 0, signature);
        sign(`andon stop device 1\n${press.value}\n${level.value}\n${button.value}`).then(later, () => later(""));
      });
    }
  }
})();
