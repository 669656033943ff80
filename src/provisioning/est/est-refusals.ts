import { type ArgumentsHost, Catch, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply } from 'fastify';
import { AppError, type GatehouseRequest, HttpErrorFilter, toAppError } from '#platform';
import type { ParsedCsr } from '../authority/csr.js';
import { ClaimRefused, type ClaimRequest } from '../claims/claim.js';
import { Refusals } from '../claims/refusals.js';
import { presentedBy } from './basic.js';

const REFUSAL = new AppError('unauthenticated', 'A hardware id and a provisioning key are needed');
const CHALLENGE = 'Basic realm="gatehouse"';
/** What says who somebody is, or what there is for them. */
const REFUSED = new Set([401, 403, 404]);

/** Nothing was presented, and nothing guessed. */
class NothingPresented extends Error {}

/** The nonce of a claim by EST is the public key (docs/claims.md rule 38). */
export const claimOf = (request: GatehouseRequest, csr: ParsedCsr | null, atOrg?: string | null): ClaimRequest => ({
  door: 'est',
  key: '',
  name: null,
  hardwareId: null,
  sentHardwareId: null,
  nonceHash: csr?.publicKeyHash ?? null,
  csr,
  ephemeral: false,
  bundleKey: null,
  trust: null,
  address: request.ip,
  ...(atOrg === undefined ? {} : { atOrg }),
});

/** Fills in who asks. @throws NothingPresented; ClaimRefused for what cannot be a hardware id and a key */
export function presentedIn(request: GatehouseRequest, claim: ClaimRequest): ClaimRequest {
  const presented = presentedBy(request.headers.authorization);
  if (presented === undefined) throw new NothingPresented();
  if (presented === null) throw new ClaimRefused('malformed');
  claim.hardwareId = presented.hardwareId;
  claim.key = presented.key;
  return claim;
}

/**
 * The one refusal of EST, whatever was wrong: the same 401, no earlier than the floor (docs/credentials.md §6, docs/claims.md rule 2). It has no body:
 * clients that ask bare first do not read one, and some fail for it.
 */
@Injectable()
export class EstRefusals {
  constructor(private readonly refusals: Refusals) {}

  /** Of a claim. @returns the body. @throws `error` when it is no refusal, rate_limited */
  async ofClaim(error: unknown, claim: ClaimRequest, request: GatehouseRequest, reply: FastifyReply): Promise<string> {
    if (!(error instanceof ClaimRefused) && !(error instanceof NothingPresented)) throw error;
    return this.refuse(error instanceof ClaimRefused ? error : null, claim, request, reply);
  }

  /** Of a certificate, which the guard has counted where it may have been guessed. @returns the body */
  ofCertificate(request: GatehouseRequest, reply: FastifyReply): Promise<string> {
    return this.refuse(null, claimOf(request, null), request, reply);
  }

  private async refuse(
    refused: ClaimRefused | null,
    claim: ClaimRequest,
    request: GatehouseRequest,
    reply: FastifyReply,
  ): Promise<string> {
    await this.refusals.refuse(refused, claim, request.arrivedAt!, REFUSAL).catch((error: unknown) => {
      if (error !== REFUSAL) throw error;
    });
    reply.status(REFUSAL.status).header('www-authenticate', CHALLENGE);
    return '';
  }
}

/** Answers who may not renew here as who may not enrol. */
@Catch()
export class RenewalRefusedFilter extends HttpErrorFilter {
  constructor(
    host: HttpAdapterHost,
    private readonly refusals: EstRefusals,
  ) {
    super(host);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    if (!REFUSED.has(toAppError(error).status)) return super.catch(error, host);
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    this.refusals.ofCertificate(http.getRequest<GatehouseRequest>(), reply).then(
      (body) => void reply.send(body),
      (failure: unknown) => super.catch(failure, host),
    );
  }
}
