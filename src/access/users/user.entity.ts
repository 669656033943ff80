import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('user')
export class User {
  @PrimaryColumn('text') userId: string;
  /** Lower case; the login name. */
  @Column('text') email: string;
  @Column('text') username: string;
  @Column('text', { nullable: true }) name: string | null;
  /** bcrypt; null: no login by password. */
  @Column('text', { nullable: true, select: false }) passwordHash: string | null;
  /** Whether the mailbox is known to be the holder's; a server administrator's always is. */
  @Column('boolean', { default: false }) emailVerified: boolean;
  /** Holds every action everywhere. */
  @Column('boolean', { default: false }) serverAdmin: boolean;
  @Column('timestamptz', { nullable: true }) passwordChangedAt: Date | null;
  @Column('timestamptz', { default: () => 'now()' }) createdAt: Date;
}
