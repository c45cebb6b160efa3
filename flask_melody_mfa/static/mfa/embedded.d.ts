// Types of embedded.js.

export type FactorName = "otp" | "email" | "sms";
export type ProofName = FactorName | "passkey" | "recovery_code";

export type NextStep =
  | { type: "sign_in" }
  | {
      type: "prove";
      factors: ProofName[];
      alternatives: ("passkey" | "recovery_code" | "email_backup")[];
      destination: string | null;
      destinations: Partial<Record<FactorName, string>>;
      remember_device_allowed: boolean;
    }
  | { type: "set_up"; factors: ProofName[]; may_skip: boolean }
  | { type: "replace_factor"; factors: ProofName[] }
  | { type: "passkey_prompt" }
  | { type: "recovery_codes" }
  | { type: "stuck"; reason: string; detail: string }
  | { type: "done" };

export interface Where {
  session_id: string;
  status: "pending" | "complete";
  next_step: NextStep;
  expires_at: string;
  device_token: string | null;
}

export interface OtpSetUp extends Where {
  secret: string;
  otpauth_uri: string;
  qr_svg: string;
}

export interface NewCodes extends Where {
  recovery_codes: string[];
}

export interface OwnAccount extends Where {
  factors: {
    id: string;
    factor: FactorName;
    name: string | null;
    destination: string | null;
    added_at: string;
    last_used_at: string | null;
    disabled: boolean;
    removable: boolean;
  }[];
  passkeys: { id: string; name: string | null; added_at: string; last_used_at: string | null; synced: boolean }[];
  recovery_codes_left: number;
  devices: { id: string; user_agent: string | null; address: string | null; added_at: string; last_used_at: string | null; expires_at: string }[];
}

export interface DeviceStore {
  get(): string | null | undefined | Promise<string | null | undefined>;
  set(token: string): void | Promise<void>;
}

export interface StartOptions {
  baseUrl: string | URL;
  clientId?: string;
  locale?: string;
  purpose?: "sign_in" | "manage";
  devices?: DeviceStore;
}

export declare class MfaError extends Error {
  status: number;
  code: string;
  detail: string;
  errors: Record<string, string>;
  reason?: string;
  retryAfter?: number;
}

export declare function passkeysSupported(): boolean;

export declare class MfaSession {
  static start(options: StartOptions): Promise<MfaSession>;
  nextStep: NextStep;
  status: "pending" | "complete";
  expiresAt: string;
  refresh(): Promise<Where>;
  signIn(login: string, password: string): Promise<Where>;
  signInByRecoveryCode(login: string, recoveryCode: string): Promise<Where>;
  signInByPasskey(options?: { mediation?: CredentialMediationRequirement; signal?: AbortSignal }): Promise<Where>;
  choose(factor: ProofName): Promise<Where>;
  later(): Promise<Where>;
  setUpOtp(): Promise<OtpSetUp>;
  setUpSms(phoneNumber: string): Promise<Where>;
  send(factor: "email" | "sms"): Promise<Where>;
  verify(factor: FactorName, code: string, options?: { rememberDevice?: boolean; name?: string }): Promise<Where>;
  verifyRecoveryCode(code: string): Promise<Where>;
  provePasskey(): Promise<Where>;
  makePasskey(name?: string): Promise<Where>;
  skipPasskey(options?: { dontAskAgain?: boolean }): Promise<Where>;
  makeRecoveryCodes(): Promise<NewCodes>;
  recoveryCodesSaved(): Promise<Where>;
  complete(): Promise<unknown>;
  cancel(): Promise<null>;
  account(): Promise<OwnAccount>;
  removeFactor(id: string): Promise<null>;
  renamePasskey(id: string, name: string): Promise<null>;
  removePasskey(id: string): Promise<null>;
  forgetDevice(id: string): Promise<null>;
}
