# fragment of the room protocols/kafka
