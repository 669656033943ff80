import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type Principal, systemPrincipal } from './route-access.js';

/** Who may have work done later, in their name. */
export type LastingKind = Extract<Principal['kind'], 'user' | 'api_key' | 'root_key' | 'system'>;

/** What is kept of a caller whose work goes on after the request. */
export interface PrincipalRef {
  kind: LastingKind;
  id: string | null;
  name: string;
}

type Lookup = (em: EntityManager, ref: PrincipalRef) => Promise<Omit<Principal, 'address'> | null>;

/** Callers of earlier requests, with the authority that they have now. `access` provides the lookup. */
@Injectable()
export class Principals {
  private lookup: Lookup = () => Promise.reject(new Error('Nobody looks callers up'));

  provide(lookup: Lookup): void {
    this.lookup = lookup;
  }

  /** Reads the caller afresh. @returns null when it is gone: a deleted key or user. Its address is null, as it is not there. */
  async find(em: EntityManager, ref: PrincipalRef): Promise<Principal | null> {
    if (ref.kind === 'system') return systemPrincipal(ref.name);
    const found = await this.lookup(em, ref);
    return found && { ...found, address: null };
  }
}
