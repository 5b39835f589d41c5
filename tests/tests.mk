# fragment of the room tests
