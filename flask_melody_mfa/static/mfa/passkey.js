// Passkeys: signs in (by button and by autofill), proves, makes, and tells the browser what changed.
// Each element with data-mfa-passkey is one use; data-mfa-config holds its settings.

const credentials = navigator.credentials;
const supported = Boolean(window.PublicKeyCredential && credentials);

// base64url, for browsers that cannot read and write WebAuthn's JSON themselves.
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) =>
    char.charCodeAt(0),
  );
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const withBytes = (listed) => listed.map((one) => ({ ...one, id: toBytes(one.id) }));

function creationOptions(json) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: toBytes(json.challenge),
    user: { ...json.user, id: toBytes(json.user.id) },
    excludeCredentials: withBytes(json.excludeCredentials),
  };
}

function requestOptions(json) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: toBytes(json.challenge),
    allowCredentials: withBytes(json.allowCredentials),
  };
}

function asJSON(credential) {
  try {
    if (credential.toJSON) return credential.toJSON();
  } catch {
    // Some extensions stand in for the browser and forget this part.
  }
  const { response } = credential;
  const parts = { clientDataJSON: toText(response.clientDataJSON) };
  if (response.attestationObject) {
    parts.attestationObject = toText(response.attestationObject);
    parts.transports = response.getTransports ? response.getTransports() : [];
  } else {
    parts.authenticatorData = toText(response.authenticatorData);
    parts.signature = toText(response.signature);
    if (response.userHandle) parts.userHandle = toText(response.userHandle);
  }
  return { id: credential.id, rawId: credential.id, type: credential.type, response: parts };
}

// What the server refused. `detail` is in the reader's language.
class Refused extends Error {
  constructor(status, problem) {
    super(problem.code);
    Object.assign(this, { status, detail: problem.detail, elsewhere: problem.challenge_url });
  }
}

async function post(url, config, body) {
  const response = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    redirect: "error",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      "X-CSRFToken": config.csrf,
    },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

// The browser runs one ceremony at a time: a new one ends the one before it.
let running = new AbortController();
function begin() {
  running.abort();
  running = new AbortController();
  return running.signal;
}

async function getPasskey(config, signal, mediation) {
  const options = requestOptions(await post(config.options, config, {}));
  signal.throwIfAborted();
  return credentials.get({ publicKey: options, signal, ...(mediation && { mediation }) });
}

async function makePasskey(config, signal, automatic) {
  const options = creationOptions(await post(config.options, config, { automatic }));
  signal.throwIfAborted();
  const mediation = automatic ? { mediation: "conditional" } : {};
  return credentials.create({ publicKey: options, signal, ...mediation });
}

// What to say of an error; nothing for one that we caused ourselves.
function sentence(error, config, began, making) {
  const { texts } = config;
  if (error instanceof Refused) return error.detail;
  switch (error.name) {
    case "AbortError":
      return "";
    case "NotAllowedError":
      // Browsers do not tell a cancelled ceremony from one that ran out of time.
      if (Date.now() - began > config.seconds * 950) return texts.timed_out;
      return making ? texts.not_made : texts.cancelled;
    case "InvalidStateError":
      return making ? texts.already : texts.failed;
    case "ConstraintError":
      return texts.unsuitable;
    case "NotSupportedError":
    case "SecurityError":
      return texts.unsupported;
    case "TypeError":
      return texts.no_connection;
    default:
      return texts.failed;
  }
}

function tell(element, text) {
  const place = element.querySelector("[data-mfa-error]");
  (place.querySelector("[data-mfa-error-text]") ?? place).textContent = text;
  place.hidden = !text;
}

// A challenge that is over, or a proof that is asked for first: the server knows the way.
function leadElsewhere(error) {
  if (!(error instanceof Refused)) return false;
  if (error.elsewhere) {
    location.assign(error.elsewhere);
    return true;
  }
  if (error.status === 410 || (error.status === 401 && error.message !== "invalid_passkey")) {
    location.reload();
    return true;
  }
  return false;
}

async function signal(name, details) {
  try {
    await PublicKeyCredential[name]?.(details);
  } catch {
    // It is a courtesy: a browser that does not take it loses nothing.
  }
}

async function signalAll(data) {
  const { rpId, userId, name, displayName, allAcceptedCredentialIds } = data;
  await signal("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds });
  await signal("signalCurrentUserDetails", { rpId, userId, name, displayName });
}

// A passkey that the server does not know (any more) need not be offered again.
async function forgetUnknown(config, credential) {
  const { id, response } = asJSON(credential);
  if (!response.userHandle || !PublicKeyCredential.signalUnknownCredential) return;
  const asked = { id, user_handle: response.userHandle };
  const { known } = await post(config.known, config, asked);
  if (!known) await signal("signalUnknownCredential", { rpId: config.rpId, credentialId: id });
}

const GONE = "gone", REFUSED = "refused", STAYED = "stayed";
const isTicked = (selector, root) => Boolean(selector && root.querySelector(selector)?.checked);

async function signIn(element, config, mediation) {
  const began = Date.now();
  const stop = begin();
  let credential;
  tell(element, "");
  try {
    credential = await getPasskey(config, stop, mediation);
    if (!credential) return STAYED;
    const body = { credential: asJSON(credential), remember: isTicked(config.remember, document) };
    location.assign((await post(config.finish, config, body)).next);
    return GONE;
  } catch (error) {
    if (stop.aborted || leadElsewhere(error)) return GONE;
    // Nobody asked for autofill: only a passkey that was chosen, and refused, is worth a word.
    if (!mediation || credential) tell(element, sentence(error, config, began, false));
    if (!credential || !(error instanceof Refused)) return STAYED;
    await forgetUnknown(config, credential).catch(() => {});
    return REFUSED;
  }
}

// While the form waits, the browser offers passkeys in the login's own list of suggestions.
let autofill = null;
async function offerInField(element, config) {
  const input = document.querySelector(config.field);
  if (!input || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  const words = (input.getAttribute("autocomplete") || "username").split(/\s+/);
  if (!words.includes("webauthn")) input.setAttribute("autocomplete", [...words, "webauthn"].join(" "));
  // A challenge ends some minutes after it was made; a page that is looked at outlives it.
  const renew = () => {
    if (!document.hidden) autofill();
    else document.addEventListener("visibilitychange", autofill, { once: true });
  };
  autofill = async () => {
    const timer = setTimeout(renew, config.seconds * 900);
    const outcome = await signIn(element, config, "conditional");
    clearTimeout(timer);
    if (outcome === REFUSED) autofill();
  };
  autofill();
}

function onPress(button, element, work) {
  let busy = false;
  const press = async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    button.setAttribute("aria-busy", "true");
    const outcome = await work();
    if (outcome === GONE) return;
    busy = false;
    button.removeAttribute("aria-busy");
    autofill?.();
  };
  button.hidden = false;
  if (element.matches("form")) element.addEventListener("submit", press);
  else button.addEventListener("click", press);
}

async function proveOne(element, config) {
  const began = Date.now();
  tell(element, "");
  try {
    const credential = await getPasskey(config, begin());
    const body = {
      credential: asJSON(credential),
      remember_device: isTicked("[name=remember_device]", element),
    };
    location.assign((await post(config.finish, config, body)).next);
    return GONE;
  } catch (error) {
    if (leadElsewhere(error)) return GONE;
    tell(element, sentence(error, config, began, false));
    return STAYED;
  }
}

async function makeOne(element, config, automatic) {
  const began = Date.now();
  tell(element, "");
  try {
    const credential = await makePasskey(config, begin(), automatic);
    const name = element.querySelector("[name=name]")?.value.trim() ?? "";
    const answer = await post(config.finish, config, { credential: asJSON(credential), name });
    if (answer.signals) await signalAll(answer.signals);
    location.assign(answer.next);
    return GONE;
  } catch (error) {
    if (automatic) return STAYED;
    if (leadElsewhere(error)) return GONE;
    tell(element, sentence(error, config, began, true));
    return STAYED;
  }
}

async function makeWithoutAsking(element, config) {
  const able = await PublicKeyCredential.getClientCapabilities?.();
  if (able?.conditionalCreate) await makeOne(element, config, true);
}

for (const element of document.querySelectorAll("[data-mfa-passkey]")) {
  const config = JSON.parse(element.dataset.mfaConfig);
  const button = element.querySelector("[data-mfa-start]");
  if (!supported) {
    if (button) tell(element, config.texts.unsupported);
    continue;
  }
  switch (element.dataset.mfaPasskey) {
    case "sign-in":
      onPress(button, element, () => signIn(element, config));
      break;
    case "autofill":
      offerInField(element, config);
      break;
    case "prove":
      onPress(button, element, () => proveOne(element, config));
      break;
    case "make":
      onPress(button, element, () => makeOne(element, config));
      if (config.automatic) makeWithoutAsking(element, config);
      break;
    case "signal":
      signalAll(config);
      break;
  }
}

// A page brought back by "back" or "forward" waits for a passkey again.
addEventListener("pageshow", (event) => event.persisted && autofill?.());
