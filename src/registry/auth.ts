/**
 * Who we are to a registry: Basic (RFC 7617), or tokens that a token server makes for scopes, as docker's registry does
 * (distribution's docs/spec/auth). Credentials are asked for once, when a registry first wants some, and never put into a
 * message. Tokens are kept in memory as long as they are good.
 */
import { RegistryError } from '../errors.js';
import { quote } from '../util/quote.js';
import { type Challenge, parseChallenges, refuseRealm } from './challenge.js';
import { type HttpRequest, type HttpResponse, readBody } from './http.js';

export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** From `docker login` with an identity provider: good for tokens only. */
  | { readonly kind: 'identity-token'; readonly token: string };

/** Asked at most once. */
export type FindCredentials = () => Promise<Credentials | undefined>;

export interface AuthContext {
  readonly base: URL;
  /** As in references, for messages. */
  readonly registry: string;
  readonly send: (request: HttpRequest) => Promise<HttpResponse>;
  readonly findCredentials: FindCredentials;
  readonly now: () => number;
}

const MAX_TOKEN_ANSWER = 1024 * 1024;
const CLIENT_ID = 'tsrun';
/** A token without expires_in is good for a minute. */
const DEFAULT_SECONDS = 60;
/** It must not end on the way. */
const MARGIN_MS = 10_000;
const TEXT = /^[\x21-\x7e]+$/;

interface Token {
  readonly header: string;
  readonly until: number;
}

export class Auth {
  private readonly tokens = new Map<string, Token>();
  private credentials: Promise<Credentials | undefined> | undefined;
  private basic: string | undefined;
  private readonly pending = new Map<string, Promise<Token>>();

  constructor(private readonly context: AuthContext) {}

  /** What to send without having been asked. */
  header(scopes: readonly string[]): string | undefined {
    const token = this.tokens.get(scopes.join(' '));
    return token !== undefined && token.until > this.context.now() ? token.header : this.basic;
  }

  /** After a 401: the header to try once more with. Throws RegistryError REGISTRY_DENIED where there is none. */
  async answer(wwwAuthenticate: string | undefined, scopes: readonly string[]): Promise<string> {
    const challenges = parseChallenges(wwwAuthenticate ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return (await this.sharedToken(bearer, scopes)).header;
    if (!challenges.some(({ scheme }) => scheme === 'basic'))
      throw this.denied(`it wants credentials of a kind that is not known: ${quote(wwwAuthenticate ?? '', 120)}`);
    const header = basicHeader(await this.ownCredentials());
    if (header === undefined) throw this.denied('it wants a user name and a password');
    this.basic = header;
    return header;
  }

  private ownCredentials(): Promise<Credentials | undefined> {
    this.credentials ??= this.context.findCredentials();
    return this.credentials;
  }

  /** Layers are fetched side by side and need one token. */
  private async sharedToken(challenge: Challenge, scopes: readonly string[]): Promise<Token> {
    const key = scopes.join(' ');
    const running = this.pending.get(key) ?? this.fetchToken(challenge, scopes);
    this.pending.set(key, running);
    try {
      const token = await running;
      this.tokens.set(key, token);
      return token;
    } finally {
      this.pending.delete(key);
    }
  }

  private async fetchToken({ parameters }: Challenge, scopes: readonly string[]): Promise<Token> {
    const credentials = await this.ownCredentials();
    const realm = this.realmOf(parameters['realm'], credentials !== undefined);
    const wanted = scopes.length > 0 ? scopes : (parameters['scope'] ?? '').split(' ').filter((scope) => scope !== '');
    const request =
      credentials?.kind === 'identity-token'
        ? refreshRequest(realm, parameters['service'], wanted, credentials.token)
        : tokenRequest(realm, parameters['service'], wanted, credentials);
    // Not through redirects: nobody but the realm gets the credentials.
    const { status, body } = await this.context.send({ ...request, ownOrigin: realm.host === this.context.base.host });
    const text = await readBody(body, MAX_TOKEN_ANSWER);
    if (status !== 200) {
      const why = status === 401 || status === 403 ? 'the credentials are refused' : `status ${status}`;
      throw this.denied(`no token from ${quote(realm.host)}: ${why}`, status);
    }
    return this.readToken(text, realm);
  }

  private realmOf(text: string | undefined, withCredentials: boolean): URL {
    let realm: URL;
    try {
      realm = new URL(text ?? '');
    } catch {
      throw this.denied(`it names no place to get a token from: ${quote(text ?? '', 120)}`);
    }
    const reason = refuseRealm(realm, this.context.base, withCredentials);
    if (reason === undefined) return realm;
    throw this.denied(`it wants a token from ${quote(realm.origin)}, where none is asked for: ${reason}`);
  }

  private readToken(bytes: Buffer, realm: URL): Token {
    let answer: unknown;
    try {
      answer = JSON.parse(bytes.toString('utf8'));
    } catch {
      answer = undefined;
    }
    const fields = typeof answer === 'object' && answer !== null ? answer : {};
    const of = (name: string): unknown => (Object.hasOwn(fields, name) ? Reflect.get(fields, name) : undefined);
    const token = of('token') || of('access_token');
    if (typeof token !== 'string' || !TEXT.test(token))
      throw this.denied(`no token in the answer of ${quote(realm.host)}`);
    const seconds = of('expires_in');
    const lasts = typeof seconds === 'number' && seconds >= DEFAULT_SECONDS ? seconds : DEFAULT_SECONDS;
    return { header: `Bearer ${token}`, until: this.context.now() + lasts * 1000 - MARGIN_MS };
  }

  private denied(reason: string, status = 401): RegistryError {
    const { registry } = this.context;
    return new RegistryError('REGISTRY_DENIED', `registry ${registry}: ${reason}`, {
      status,
      hint: `tsrun login ${registry}`,
    });
  }
}

function basicHeader(credentials: Credentials | undefined): string | undefined {
  if (credentials?.kind !== 'password') return undefined;
  const { username, password } = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

type TokenRequest = Omit<HttpRequest, 'ownOrigin'>;

function tokenRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): TokenRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credentials?.kind === 'password') url.searchParams.set('account', credentials.username);
  const authorization = basicHeader(credentials);
  return { method: 'GET', url, headers: authorization === undefined ? {} : { authorization } };
}

/** OAuth 2 (distribution's docs/spec/auth/oauth). */
function refreshRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  token: string,
): TokenRequest {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLIENT_ID, refresh_token: token });
  if (service !== undefined) form.set('service', service);
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  const bytes = Buffer.from(form.toString());
  const body = { size: bytes.length, open: () => once(bytes) };
  return { method: 'POST', url: realm, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body };
}

export async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
