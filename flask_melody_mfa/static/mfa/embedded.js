// A client of the embedded API: each call answers where the sign-in stands, and `nextStep` says
// what to draw. One module, no dependency; the types stand in embedded.d.ts.

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

const withBytes = (list) => list?.map((one) => ({ ...one, id: toBytes(one.id) }));

// Browsers without the JSON forms of WebAuthn Level 3 get their bytes from here.
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

function asJson(credential) {
  try {
    if (credential.toJSON) return credential.toJSON();
  } catch {
    // Some extensions stand in for the browser and forget this part.
  }
  const { response } = credential;
  const texts = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) texts[name] = toText(response[name]);
  }
  if (response.getTransports) texts.transports = response.getTransports();
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response: texts,
    clientExtensionResults: credential.getClientExtensionResults(),
    authenticatorAttachment: credential.authenticatorAttachment,
  };
}

/** An answer that is not what was asked for: `code` and `detail` as the API gives them. */
export class MfaError extends Error {
  constructor(problem, status, retryAfter) {
    super(problem.detail || problem.title || `Error ${status}`);
    this.name = "MfaError";
    this.status = status;
    this.code = problem.code || "unavailable";
    this.detail = problem.detail || "";
    this.errors = problem.errors || {};
    this.reason = problem.reason;
    this.retryAfter = retryAfter;
  }
}

/** Whether this browser knows passkeys at all. */
export const passkeysSupported = () =>
  typeof PublicKeyCredential === "function" && Boolean(navigator.credentials);

/** One session of the embedded API. Make it with `start`. */
export class MfaSession {
  #base;
  #id;
  #token;
  #devices;

  /**
   * Begin a session. `baseUrl`: where the API is, as in "https://example.org/mfa/embedded/v1".
   * `devices`: keeps the token of this remembered device (`get()`, `set(token)`); none by default.
   */
  static async start({ baseUrl, clientId, locale, purpose, devices } = {}) {
    const session = new MfaSession();
    session.#base = String(baseUrl).replace(/\/$/, "");
    session.#devices = devices;
    const body = {};
    if (clientId) body.client_id = clientId;
    if (locale) body.locale = locale;
    if (purpose) body.purpose = purpose;
    const device = devices && (await devices.get());
    if (device) body.device_token = device;
    const made = await session.#call("POST", "/sessions", body, purpose === "manage");
    session.#id = made.session_id;
    session.#token = made.session_token;
    await session.#took(made);
    return session;
  }

  async #call(method, path, body, withCookies = false) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    let response;
    try {
      response = await fetch(this.#base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: withCookies ? "include" : "omit",
        cache: "no-store",
      });
    } catch {
      throw new MfaError({ code: "unreachable" }, 0);
    }
    if (response.status === 204) return null;
    const found = await response.json().catch(() => ({}));
    if (!response.ok) {
      const wait = Number(response.headers.get("Retry-After")) || undefined;
      throw new MfaError(found, response.status, wait);
    }
    return found;
  }

  async #took(where) {
    this.nextStep = where.next_step;
    this.status = where.status;
    this.expiresAt = where.expires_at;
    if (where.device_token && this.#devices) await this.#devices.set(where.device_token);
    return where;
  }

  async #go(path, body, method = "POST") {
    return this.#took(await this.#call(method, `/sessions/${this.#id}${path}`, body));
  }

  /** Where it stands. */
  refresh() {
    return this.#go("", undefined, "GET");
  }

  signIn(login, password) {
    return this.#go("/sign-in", { login, password });
  }

  signInByRecoveryCode(login, recoveryCode) {
    return this.#go("/recovery-sign-in", { login, recovery_code: recoveryCode });
  }

  /** `mediation: "conditional"` offers passkeys in the autofill of a form; `signal` ends that. */
  async signInByPasskey({ mediation, signal } = {}) {
    const { options } = await this.#go("/passkey-sign-in/options");
    const credential = await navigator.credentials.get({
      publicKey: requestOptions(options),
      mediation,
      signal,
    });
    return this.#go("/passkey-sign-in", { credential: asJson(credential) });
  }

  choose(factor) {
    return this.#go("/enrollment", { factor });
  }

  later() {
    return this.#go("/enrollment", { later: true });
  }

  setUpOtp() {
    return this.#go("/otp/setup");
  }

  setUpSms(phoneNumber) {
    return this.#go("/sms/setup", { phone_number: phoneNumber });
  }

  /** `factor`: "email" or "sms". */
  send(factor) {
    return this.#go(`/${factor}/send`);
  }

  /** `factor`: "otp", "email" or "sms". */
  verify(factor, code, { rememberDevice = false, name } = {}) {
    const body = { code, remember_device: rememberDevice };
    if (name) body.name = name;
    return this.#go(`/${factor}/verify`, body);
  }

  verifyRecoveryCode(code) {
    return this.#go("/recovery-code/verify", { code });
  }

  async provePasskey() {
    const { options } = await this.#go("/passkey/options");
    const credential = await navigator.credentials.get({ publicKey: requestOptions(options) });
    return this.#go("/passkey/verify", { credential: asJson(credential) });
  }

  async makePasskey(name) {
    const { options } = await this.#go("/passkey-enrollment/options");
    const credential = await navigator.credentials.create({ publicKey: creationOptions(options) });
    const body = { credential: asJson(credential) };
    if (name) body.name = name;
    return this.#go("/passkey-enrollment", body);
  }

  skipPasskey({ dontAskAgain = false } = {}) {
    return this.#go("/passkey-enrollment/skip", { dont_ask_again: dontAskAgain });
  }

  /** Answers `recovery_codes`, this once. */
  makeRecoveryCodes() {
    return this.#go("/recovery-codes");
  }

  recoveryCodesSaved() {
    return this.#go("/recovery-codes/saved");
  }

  /** The end: answers the host's `token`, or null where it is the session in the cookies. */
  async complete() {
    const done = await this.#call("POST", `/sessions/${this.#id}/complete`, undefined, true);
    return done.token;
  }

  cancel() {
    return this.#call("DELETE", `/sessions/${this.#id}`);
  }

  // In a session of purpose "manage".

  account() {
    return this.#go("/account", undefined, "GET");
  }

  removeFactor(id) {
    return this.#call("DELETE", `/sessions/${this.#id}/factors/${encodeURIComponent(id)}`);
  }

  renamePasskey(id, name) {
    return this.#call("PATCH", `/sessions/${this.#id}/passkeys/${encodeURIComponent(id)}`, { name });
  }

  removePasskey(id) {
    return this.#call("DELETE", `/sessions/${this.#id}/passkeys/${encodeURIComponent(id)}`);
  }

  forgetDevice(id) {
    return this.#call("DELETE", `/sessions/${this.#id}/devices/${encodeURIComponent(id)}`);
  }
}
