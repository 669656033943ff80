import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';

/** A hardware id that may claim nothing until an operator lifts it. */
@Entity('tombstone')
export class Tombstone {
  @PrimaryColumn('text') orgId: string;
  @PrimaryColumn('text') hardwareId: string;
  @Column('text', { nullable: true }) siteName: string | null;
  @Column('text') reason: 'rejected' | 'revoked';
  @Column('text', { nullable: true }) note: string | null;
  @Column('text', { nullable: true }) createdBy: string | null;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt: Date;
}
