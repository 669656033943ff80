import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

export const CREDENTIAL_TYPES = ['api_key', 'psk', 'certificate'] as const;
export type CredentialType = (typeof CREDENTIAL_TYPES)[number];
export const RECLAIM_POLICIES = ['recognise', 'reissue', 'refuse'] as const;
export const HARDWARE_ID_FORMS = ['mac'] as const;
export type HardwareIdForm = (typeof HARDWARE_ID_FORMS)[number];
export const ON_REUSE = ['alert', 'suspend'] as const;
export type OnReuse = (typeof ON_REUSE)[number];
export type ReclaimPolicy = (typeof RECLAIM_POLICIES)[number];

/** Policy for claims. */
@Entity('provisioning_template')
export class Template {
  @PrimaryGeneratedColumn({ type: 'int8' }) templateId: number;
  @Column('text') orgId: string;
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('bigint', { nullable: true }) profileId: number | null;
  @Column('text', { nullable: true }) hardwareIdPattern: string | null;
  @Column('text', { nullable: true }) hardwareIdForm: HardwareIdForm | null;
  @Column('text') credentialType: CredentialType;
  @Column('boolean') newtDoor: boolean;
  @Column('boolean') approveNewSites: boolean;
  @Column('text', { nullable: true }) nameTemplate: string | null;
  @Column('text') reclaimPolicy: ReclaimPolicy;
  @Column('int', { nullable: true }) ephemeralSeconds: number | null;
  @Column('int', { nullable: true }) credentialTtlSeconds: number | null;
  @Column('int') renewGraceSeconds: number;
  @Column('text') onReuse: OnReuse;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt: Date;
}
