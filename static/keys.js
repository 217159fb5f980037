// Security-key ceremonies: <form data-ceremony="create|get" data-options="{…}"> with a hidden input named "response" and a [role=status].
// The form's press runs the ceremony; the browser's answer goes into the input and the form is sent as any other. Nothing else happens here.
(() => {
  "use strict";
  const toBytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
  const toText = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // Browsers before 2025 lack the JSON helpers; the fields to convert are few and fixed by the standard.
  const withIds = list => (list || []).map(item => ({ ...item, id: toBytes(item.id) }));
  const readOptions = (kind, json) => {
    const create = kind === "create", Type = PublicKeyCredential;
    if (create && Type.parseCreationOptionsFromJSON) return Type.parseCreationOptionsFromJSON(json);
    if (!create && Type.parseRequestOptionsFromJSON) return Type.parseRequestOptionsFromJSON(json);
    const options = { ...json, challenge: toBytes(json.challenge) };
    if (!create) return { ...options, allowCredentials: withIds(json.allowCredentials) };
    return { ...options, user: { ...json.user, id: toBytes(json.user.id) }, excludeCredentials: withIds(json.excludeCredentials) };
  };
  const writeAnswer = credential => {
    if (credential.toJSON) {
      try { return credential.toJSON(); } catch { /* some password managers hand out an object whose toJSON throws */ }
    }
    const { response } = credential, answer = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) answer[name] = toText(response[name]);
    }
    if (response.getTransports) answer.transports = response.getTransports();
    return {
      id: credential.id, rawId: toText(credential.rawId), type: credential.type,
      response: answer, clientExtensionResults: credential.getClientExtensionResults(),
    };
  };

  // What went wrong, in words that say what is true now and what to do. Browsers do not tell "cancelled" from "timed out"; the clock does.
  const inWords = (error, kind, timedOut) => {
    const nothing = kind === "create" ? " Nothing was saved." : " Nothing was signed.";
    switch (error.name) {
      case "NotAllowedError":
        return (timedOut ? "Timed out: the key was not touched in time, or it is not one that was asked for." : "Cancelled, or this key is not one that was asked for.") + nothing + " Press the button to try again.";
      case "InvalidStateError":
        return "This key is known here already." + nothing + " Take another key.";
      case "ConstraintError":
      case "NotSupportedError":
        return "This key cannot check that it is you (PIN or fingerprint)." + nothing + " Set a PIN on the key, or take another key.";
      case "SecurityError":
        return "Keys belong to another address than " + location.origin + "." + nothing + " Open Andon at the address it was set up with.";
      case "AbortError":
        return "";
      default:
        return "The browser answered: " + (error.message || error.name) + "." + nothing;
    }
  };

  // A challenge lives two minutes: a page that has been open longer has its form anew, with another one.
  const OLD_MS = 100_000;
  const renew = async form => {
    if (performance.now() - (form.drawn || 0) < OLD_MS) return;
    const answer = await fetch(form.dataset.again, { headers: { accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector(`form[data-ceremony][action="${form.getAttribute("action")}"]`);
    if (!answer.ok || !fresh) throw new Error("this page is out of date. Load it again");
    form.dataset.options = fresh.dataset.options;
    form.elements.namedItem("csrf").value = fresh.elements.namedItem("csrf").value;
    form.drawn = performance.now();
  };

  let running = null;
  const run = async (form, say) => {
    if (running) running.abort();
    const mine = running = new AbortController();
    const kind = form.dataset.ceremony;
    let limit = Infinity, started = performance.now();
    try {
      await renew(form);
      if (mine.signal.aborted) return;
      say("Touch your security key. The browser may ask for its PIN first.");
      const json = JSON.parse(form.dataset.options);
      const publicKey = readOptions(kind, json.publicKey || json);
      limit = publicKey.timeout || Infinity;
      started = performance.now();
      const call = kind === "create" ? "create" : "get";
      const credential = await navigator.credentials[call]({ publicKey, signal: mine.signal });
      form.elements.namedItem("response").value = JSON.stringify(writeAnswer(credential));
      say("Key answered. Sending.");
      form.submit();
    } catch (error) {
      if (running === mine) say(inWords(error, kind, performance.now() - started >= limit - 1000), true);
    }
  };

  for (const form of document.querySelectorAll("form[data-ceremony]")) {
    const status = form.querySelector("[role=status]");
    const say = (text, isError) => { status.textContent = text; status.classList.toggle("is-error", !!isError); };
    form.addEventListener("submit", event => {
      // A button with its own formaction (the demo's key) goes its own way.
      if (event.submitter && event.submitter.hasAttribute("formaction")) return;
      event.preventDefault();
      if (!window.PublicKeyCredential || !navigator.credentials) {
        return say(isSecureContext
          ? "This browser knows no security keys. Use a current Firefox, Chrome, Edge or Safari. Nothing was changed."
          : "Browsers use security keys only over https, or on http://localhost. Nothing was changed.", true);
      }
      run(form, say);
    });
  }
})();
