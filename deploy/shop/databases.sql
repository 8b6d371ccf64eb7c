-- One database a service, and one for the compensation log; each worker brings them to the newest schema. Runs once, when the volume is empty.
CREATE DATABASE orders;
CREATE DATABASE payments;
CREATE DATABASE inventory;
CREATE DATABASE shipping;
CREATE DATABASE notifications;
CREATE DATABASE bank_a;
CREATE DATABASE bank_b;
CREATE DATABASE bank_c;
CREATE DATABASE warehouse;
CREATE DATABASE callers;
CREATE DATABASE coupons;
CREATE DATABASE operations;
