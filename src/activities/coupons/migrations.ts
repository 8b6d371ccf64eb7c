/** The coupons database: what each coupon is worth, where it is, and how it came there. Amounts are cents. */
export const couponsMigrations = [
  {
    name: '001-coupons',
    sql: `
create table coupons (
  code text collate "C" primary key,
  customer_id text collate "C" not null,
  amount_off integer not null check (amount_off > 0),
  status text not null default 'AVAILABLE' check (status in ('AVAILABLE', 'HELD', 'USED')),
  -- An order has one coupon at most.
  order_id text collate "C" unique,
  held_at timestamptz,
  constraint coupons_of_order check (case status when 'AVAILABLE' then order_id is null and held_at is null
    else order_id is not null and held_at is not null end)
);
create index coupons_held on coupons (held_at) where status = 'HELD';

-- Where each coupon went, and for which order. Nothing is ever changed here.
create table coupon_moves (
  move_id bigint generated always as identity primary key,
  code text collate "C" not null references coupons,
  order_id text collate "C" not null,
  moved_from text not null,
  moved_to text not null,
  moved_at timestamptz not null default now()
);
create index coupon_moves_order on coupon_moves (order_id);

create function coupons_move() returns trigger language plpgsql as $$
begin
  if (old.status, new.status) not in
      (('AVAILABLE', 'HELD'), ('HELD', 'USED'), ('HELD', 'AVAILABLE'), ('USED', 'AVAILABLE'))
    or (old.status <> 'AVAILABLE' and new.status <> 'AVAILABLE' and old.order_id <> new.order_id) then
    raise exception using errcode = 'restrict_violation',
      message = format('coupon %s cannot move from %s to %s', old.code, old.status, new.status);
  end if;
  insert into coupon_moves (code, order_id, moved_from, moved_to)
  values (old.code, coalesce(new.order_id, old.order_id), old.status, new.status);
  return null;
end $$;
create trigger coupons_move after update on coupons
  for each row when ((old.status, old.order_id) is distinct from (new.status, new.order_id))
  execute function coupons_move();

create function coupon_moves_refuse() returns trigger language plpgsql as $$
begin
  raise exception using errcode = 'restrict_violation', message = 'coupon_moves is append-only';
end $$;
create trigger coupon_moves_append_only before update or delete or truncate on coupon_moves
  for each statement execute function coupon_moves_refuse();
`,
  },
  {
    name: '002-last-moves',
    sql: `
-- The last move of each coupon is looked up for every reconciliation.
create index coupon_moves_code on coupon_moves (code, move_id desc);
`,
  },
] as const;
