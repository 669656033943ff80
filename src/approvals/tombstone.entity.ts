import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** How a tombstone names a device that has no hardware id: by the SHA-256 of its claim nonce. */
export const nonceTombstone = (nonceHash: Buffer): string => `nonce:${nonceHash.toString('hex')}`;

/** A device that may claim nothing until an operator lifts it: its hardware id, or its nonce (`nonceTombstone`). */
@Entity('tombstone')
export class Tombstone {
  @PrimaryColumn('text') orgId: string;
  @PrimaryColumn('text') hardwareId: string;
  @Column('text', { nullable: true }) siteName: string | null;
  @Column('text') reason: 'rejected' | 'revoked' | 'replaced';
  @Column('text', { nullable: true }) note: string | null;
  @Column('text', { nullable: true }) createdBy: string | null;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt: Date;
}
