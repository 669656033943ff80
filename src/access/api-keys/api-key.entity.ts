import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { CreatedBy } from '../created-by.dto.js';

/** An organization key, or with `orgId` null a root key, which holds every action everywhere. */
@Entity('api_key')
export class ApiKey {
  @PrimaryColumn('text') apiKeyId: string;
  @Column('text', { nullable: true }) orgId: string | null;
  @Column('text') name: string;
  /** SHA-256 of the secret. */
  @Column('bytea', { select: false }) secretHash: Buffer;
  @Column('text') lastChars: string;
  @Column('text', { array: true, default: () => `'{}'` }) actions: string[];
  @Column('timestamptz', { default: () => 'now()' }) createdAt: Date;
  /** Null: made by an earlier version, and the audit does not tell. */
  @Column('jsonb', { nullable: true }) createdBy: CreatedBy | null;
  @Column('timestamptz', { nullable: true }) lastUsedAt: Date | null;
  @Column('inet', { nullable: true }) lastUsedAddress: string | null;
  @Column('timestamptz', { nullable: true }) expiresAt: Date | null;
}
