-- The latest drill of every bot is read without reading every drill.
CREATE INDEX drill_by_bot ON drill (bot_id, epoch);
